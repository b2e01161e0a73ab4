// Package lvsdr sets up the hosts of an LVS direct-routing (DR) cluster: the
// director, which picks a real server for each connection and rewrites only the
// destination MAC address of its packets, and the real servers, which answer the
// client themselves. It also examines them and names what is wrong.
//
// A [Role] is an ordered list of steps and of checks for one kind of host. A
// [step.Step] looks at a [host.Host] and returns the [step.Change] values still due:
// printed they are the plan, made they are the set-up, none of them means the host is
// as it should be, and asked for [step.Absent] they are the teardown.
//
//	role, err := lvsdr.RealServer(cluster.Config{Services: []cluster.Service{{VIP: vip}}})
//	…
//	changes, err := role.Up(ctx, lvsdr.Local())
//	findings, err := role.Prove(ctx, lvsdr.Local())
//
// The package never logs, prints, exits or runs a shell. Whatever it changes carries a
// mark of its own or stands in the ledger in /run/lvsdr, so that it can be given back
// by another process.
package lvsdr
