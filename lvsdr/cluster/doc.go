// Package cluster is the description of an LVS cluster as data: what its services are,
// which real servers take their connections, how the director schedules them. It reads
// the description from YAML or flags, refuses what cannot work and says where, and
// turns it into the table that IPVS is to hold.
//
// It looks at no host and changes none: whether an address is on this machine, or a
// module in this kernel, is the business of packages step and doctor.
package cluster
