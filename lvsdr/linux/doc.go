// Package linux gives a [host.Host] its views of the running kernel, through netlink,
// /proc, /sys and sockets. The oddities of the libraries that it uses end here.
//
// It decides nothing: what a host should be like is the business of packages step and
// doctor, which never import it.
package linux
