// Package lvsdrtest has a host in memory for the tests of everything that is
// made of lvsdr steps, and the laws every role keeps.
//
// A [World] behaves as a Linux kernel does where it matters to a role: what is
// missing fails with fs.ErrNotExist, a second IPVS service of the same address
// is refused, a primary address takes its secondaries along, net.ipv4.vs.*
// appears with ip_vs, ip_forward reaches down into every interface. What was
// measured on a real kernel (6.1) says so.
//
// A World is written, read and compared as the commands a person would type:
//
//	w := lvsdrtest.Director("ip addr add 10.10.10.22/24 dev lo")
//	role.Up(ctx, w.Host())
//	fmt.Print(w.Dump())
//
// [CheckLaws] runs the laws against a World or any other [Box], a network
// namespace of a real kernel too.
package lvsdrtest
