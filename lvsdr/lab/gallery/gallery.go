//go:build linux

// Package gallery is the faults of an LVS direct-routing cluster, each made in a
// lab: what breaks it, which host's doctor must name it, and how. It serves the
// tests, which demand that every fault is named and no other, and "make demo
// FAULT=name", which shows one to a person.
//
// The cluster is the lab's (see [github.com/lvsdr/toolkit/lvsdr/lab]), set up with
// the lvsdr on PATH; its doctor is that program too.
package gallery

import (
	"context"
	"slices"

	"github.com/lvsdr/toolkit/lvsdr/doctor"
	"github.com/lvsdr/toolkit/lvsdr/lab"
)

// A Fault is one way to break a cluster.
type Fault struct {
	Name      string // kebab-case, once
	Title     string // what is wrong, a sentence
	Catalogue string // its number in the field's lore, as in docs/checks.md: "R1"
	Needs     []lab.Feature
	// Setup is the flags of the cluster; empty: that of the documentation,
	// "--vip 10.10.10.22 -r 10.10.10.31 -r 10.10.10.32"; "-": nothing is set up, Make
	// does it by hand.
	Setup string
	// Make does what is to be done before the cluster is healthy; nil: nothing is.
	Make func(ctx context.Context, c *Cluster) error
	// Passive: the doctors put nothing on the wire, where they would see the fault
	// by other means.
	Passive bool
	// InTurn: the doctors look one after the other, the client's first, because a
	// question of one changes what another sees.
	InTurn bool
	// Inject breaks the healthy cluster.
	Inject func(ctx context.Context, c *Cluster) error
	// Recur has the fault show itself once more before a doctor looks: it is one that
	// shows only now and then; nil: it shows all the time.
	Recur func(ctx context.Context, c *Cluster) error
	// Sights are what the doctors say, the cause first. A host not named says
	// nothing that is bad.
	Sights []Sight
	// Advised are commands that the advice of the first sight names, for a person to
	// decide: they are run on the host that the finding is about. Empty: none.
	Advised string
	// Heal is what a person does who follows the advice of the first sight, after
	// its fix where it has one; nil: the fix alone heals.
	Heal func(ctx context.Context, c *Cluster) error
	// Undo takes away what is left of Inject when the cluster is healthy again, for
	// the next fault's sake; nil: nothing is.
	Undo func(ctx context.Context, c *Cluster) error
}

// A Sight is what the doctor on one host names: exactly this check, failing.
type Sight struct {
	Host     string          // "dev-1" is the director, "dev-2" and on the real servers, "client"
	Code     string          // of the check
	Severity doctor.Severity // Failure when empty
}

// A Healthy is a cluster that looks unusual and is fine: the doctor on every host
// finds nothing, not even a warning.
type Healthy struct {
	Name      string
	Title     string // why it is fine
	Catalogue string
	Needs     []lab.Feature
	Setup     string // as of a [Fault]; "-": nothing is set up, Make does it by hand
	Servers   int    // real servers, 0: two
	Make      func(ctx context.Context, c *Cluster) error
}

// Faults returns every fault.
func Faults() []Fault {
	return slices.Concat(arpFaults, vipFaults, linkFaults, sourceFaults, ipv6Faults,
		claimFaults, lanFaults, serverFaults, pathFaults, wayBackFaults, networkFaults, largeFaults, requestFaults, tableFaults, ownFaults, firewallFaults, containerFaults, bootFaults, twoFaults, keepalivedFaults, directorsFaults, mastersFaults)
}

// Variants returns every healthy cluster: the traps and the unusual.
func Variants() []Healthy {
	return slices.Concat(plainVariants, addrVariants, linkVariants, networkVariants, wireVariants, requestVariants, tableVariants, ownVariants, firewallVariants, containerVariants, bootVariants, twoVariants)
}

var plainVariants = []Healthy{{
	Name: "plain", Title: "the documentation's cluster", Make: nil,
}}

func (s Sight) severity() doctor.Severity {
	if s.Severity == "" {
		return doctor.Failure
	}
	return s.Severity
}

// wanted is what the doctor on the host is to name, as [Bad] tells it.
func (f Fault) wanted(host string) []string {
	var codes []string
	for _, s := range f.Sights {
		if s.Host == host {
			codes = append(codes, string(s.severity())+" "+s.Code)
		}
	}
	return codes
}

// names are the hosts of the cluster that the doctor is run on: of many real servers
// some.
func (c *Cluster) names() []string {
	names := []string{c.Client.Name, c.Director.Name}
	if c.hasSecond() {
		names = append(names, secondDirector)
	}
	for i, h := range c.RealServers {
		if some := len(c.RealServers) / 4; some == 0 || i%some == 0 {
			names = append(names, h.Name)
		}
	}
	return names
}
