// Package step has the steps that bring a host to a role, one file a step: kernel
// modules, sysctls, open ports, IPVS services, VIPs. A [Step] looks at the host and
// returns the changes that are due; made they are the set-up, asked for [Absent] the
// teardown.
//
// Whatever a step changes carries a mark of its own, or its value before stands in the
// ledger in /run/lvsdr, so that another process can give it back. The order of the
// steps is the business of package lvsdr, what is wrong with a host that of package
// doctor.
package step
