package ipvs

import (
	"fmt"
	"slices"
)

// schedulers are those that Linux brings (net/netfilter/ipvs/Kconfig, ipvsadm(8)),
// each a module ip_vs_NAME.
var schedulers = [...]string{"rr", "wrr", "lc", "wlc", "lblc", "lblcr", "dh", "sh", "mh", "sed", "nq", "fo", "ovf", "twos"}

// schedulerFlags are the names of ipvsadm -b, the first that of [Sched1]
// (include/uapi/linux/ip_vs.h: IP_VS_SVC_F_SCHED_SH_FALLBACK and the next).
var schedulerFlags = map[string][]string{
	"sh": {"sh-fallback", "sh-port"},
	"mh": {"mh-fallback", "mh-port"},
}

// Schedulers are the names of the schedulers that Linux brings.
func Schedulers() []string { return slices.Clone(schedulers[:]) }

// Module is the name of the kernel module of IPVS.
const Module = "ip_vs"

// SchedulerModule is the name of the kernel module that has a scheduler.
func SchedulerModule(scheduler string) string { return Module + "_" + scheduler }

// SchedulerFlags are the names that ipvsadm -b has for a scheduler's flags, none for
// most schedulers: any other flags are flag-1 to flag-3.
func SchedulerFlags(scheduler string) []string { return slices.Clone(schedulerFlags[scheduler]) }

// SchedulerFlag finds the scheduler that has the flag of this name, and its bit; 0
// when there is none.
func SchedulerFlag(name string) (scheduler string, bit Flags) {
	for scheduler, names := range schedulerFlags {
		if i := slices.Index(names, name); i >= 0 {
			return scheduler, Sched1 << i
		}
	}
	return "", 0
}

// Of names the flags of a scheduler's own, as ipvsadm -b takes them.
func (f Flags) Of(scheduler string) []string {
	var names []string
	for i := range 3 {
		if f&(Sched1<<i) == 0 {
			continue
		}
		if known := schedulerFlags[scheduler]; i < len(known) {
			names = append(names, known[i])
			continue
		}
		names = append(names, fmt.Sprintf("flag-%d", i+1))
	}
	return names
}
