// Package lvsdr sets up the hosts of an LVS direct-routing (DR) cluster: the
// director, which picks a real server for each connection and rewrites only the
// destination MAC address of its packets, and the real servers, which answer
// the client themselves.
//
// A [Role] is an ordered list of steps for one kind of host. A [Step] looks at a
// [Host] and returns the [Change] values still due: printed they are the plan,
// made they are the set-up, none of them means the host is as it should be, and
// asked for [Absent] they are the teardown.
//
//	role, err := lvsdr.RealServer(lvsdr.Config{Services: []lvsdr.Service{{
//		VIP:   netip.MustParseAddr("10.10.10.22"),
//		Ports: []lvsdr.Port{{Number: 80, Protocol: lvsdr.TCP}},
//	}}})
//	…
//	changes, err := role.Up(ctx, lvsdr.Local())
//
// The package never logs, prints, exits or runs a shell. Whatever it changes
// carries its own mark or stands in the ledger (see [Host]), so that it can be
// given back by another process.
package lvsdr
