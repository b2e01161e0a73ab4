package cluster

import (
	"strings"

	"github.com/lvsdr/toolkit/lvsdr/ipvs"
)

// Schedulers are the names that [Service.Scheduler] may have: the kernel's.
func Schedulers() []string { return ipvs.Schedulers() }

// SchedulerFlags are the names that [Service.SchedulerFlags] may have.
func SchedulerFlags() []string {
	var all []string
	for _, scheduler := range ipvs.Schedulers() {
		all = append(all, ipvs.SchedulerFlags(scheduler)...)
	}
	return all
}

// whichFlags tells which flag goes with which scheduler.
func whichFlags() string {
	var all []string
	for _, scheduler := range ipvs.Schedulers() {
		if names := ipvs.SchedulerFlags(scheduler); len(names) > 0 {
			all = append(all, strings.Join(names, " and ")+" with "+scheduler)
		}
	}
	return strings.Join(all, ", ")
}

// HashScheduler tells whether a scheduler ties a client to a real server by a hash, and
// so refuses it while that one has weight 0, unless its flag -fallback is set: sh and
// mh. The table of mh is built from the last weight that was not 0 (last_weight in
// net/netfilter/ipvs/ip_vs_mh.c): only a real server added with weight 0 is not in it.
func HashScheduler(name string) bool { return name == "sh" || name == "mh" }

// oneOf renders what is allowed: "a, b or c".
func oneOf(names []string) string {
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " or " + names[last]
}
