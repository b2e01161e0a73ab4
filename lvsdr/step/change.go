package step

import (
	"context"
	"strings"

	"github.com/lvsdr/toolkit/lvsdr/host"
)

// Op is what a change does to its object.
type Op string

// The operations.
const (
	Add    Op = "add"
	Set    Op = "set"
	Remove Op = "remove"
)

// A Change is one difference between a host and what a step wants of it, and how
// to make it go away.
type Change struct {
	Step   string `json:"step"`
	Op     Op     `json:"op"`
	Object string `json:"object"` // what is changed, in the words of ip, ipvsadm, nft and sysctl
	From   string `json:"from"`   // the value before, empty where there is none
	To     string `json:"to"`     // the value after, empty where there is none

	// Gate is where a change of the step [Ports] is made, nil for all others.
	Gate *host.Place `json:"-"`
	// Late is for a change that takes away what others replace: it is made when all
	// steps have made the rest, and after the [Drainer]s.
	Late bool `json:"-"`
	// Do makes the change. It is idempotent.
	Do func(context.Context) error `json:"-"`
	// Data is what an [Applier] needs to make the change together with others.
	Data any `json:"-"`
}

// String renders the change as one line: "add 10.10.10.22/32 dev eth0 label eth0:0",
// "set net.ipv4.ip_forward: 0 -> 1". What does not print is escaped.
func (c Change) String() string {
	var b strings.Builder
	b.WriteString(string(c.Op))
	b.WriteByte(' ')
	b.WriteString(c.Object)
	switch {
	case c.From != "" && c.To != "":
		b.WriteString(": " + c.From + " -> " + c.To)
	case c.From != "" || c.To != "":
		b.WriteString(": " + c.From + c.To)
	}
	return host.Printable(b.String())
}
