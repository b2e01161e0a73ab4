// Package host is a machine as the rest of the library sees it: small views (files,
// sysctls, links, routes, the IPVS table, firewalls, the wire), each an interface of a
// few idempotent methods, and the data that goes through them.
//
// It holds no implementation: package linux has that of the running kernel, lvsdrtest
// one in memory. A view that a host lacks answers [ErrNoView], which a check takes for
// "not looked at" and never for a pass.
package host
