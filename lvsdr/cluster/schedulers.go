package cluster

import (
	"strings"

	"github.com/lvsdr/toolkit/lvsdr/ipvs"
)

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

// oneOf renders what is allowed: "a, b or c".
func oneOf(names []string) string {
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " or " + names[last]
}
