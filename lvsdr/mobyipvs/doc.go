// Package mobyipvs lets a program that already holds a handle of
// github.com/moby/ipvs use it as the IPVS of a [host.Host], and converts that
// library's types to and from those of package ipvs. Everything else in this module
// uses the client of package ipvs, which is the default and has none of the limits
// below.
//
// What this package mends: a kernel without IPVS, to which moby/ipvs writes without
// an error, is [host.ErrNoIPVS]; what was written is read back; a persistence netmask
// of 0, which makes all IPv4 clients one, is never sent; the kernel's own flag
// IP_VS_SVC_F_HASHED is left out; a handle is used by one goroutine at a time; lists
// are sorted; a service that is not there is [io/fs.ErrNotExist], not an empty list.
//
// What it cannot mend, because moby/ipvs v1.1 neither asks the kernel for it nor tells
// it: persistence engines are not read, so that writing one is refused; weights are
// read as 16 bits, so that writing more is refused; a real server of another address
// family than its service's is refused, because the family is not sent; counters of
// connections and packets are of 32 bits and wrap; persistent connections are not
// counted; a list that changed while it was read is not noticed. When ip_vs was not
// loaded as the process first called ipvs.New, or was unloaded since, every handle of
// the process stays without IPVS.
package mobyipvs
