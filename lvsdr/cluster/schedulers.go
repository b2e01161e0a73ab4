package cluster

import (
	"strings"

	"github.com/lvsdr/toolkit/lvsdr/ipvs"
)

// Schedulers are the names that [Service.Scheduler] may have: those that Linux
// brings (net/netfilter/ipvs/Kconfig, ipvsadm(8)), each a module ip_vs_NAME.
var Schedulers = []string{
	"rr", "wrr", "lc", "wlc", "lblc", "lblcr", "dh", "sh", "mh", "sed", "nq", "fo", "ovf", "twos",
}

// A schedulerFlag is a flag of ipvsadm -b: the scheduler it belongs to, and the
// bit that scheduler reads it from (include/uapi/linux/ip_vs.h).
type schedulerFlag struct {
	scheduler string
	bit       ipvs.Flags
}

var schedulerFlags = map[string]schedulerFlag{
	"sh-fallback": {"sh", ipvs.Sched1},
	"sh-port":     {"sh", ipvs.Sched2},
	"mh-fallback": {"mh", ipvs.Sched1},
	"mh-port":     {"mh", ipvs.Sched2},
}

const schedulerFlagNames = "sh-fallback and sh-port with sh, mh-fallback and mh-port with mh"

// oneOf renders what is allowed: "a, b or c".
func oneOf(names []string) string {
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " or " + names[last]
}
