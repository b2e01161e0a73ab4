// Package probe puts frames on a LAN of its own making: the announcements that
// tell neighbours at which MAC address an IP address is now. It needs
// CAP_NET_RAW, and acts in the network namespace of the calling thread.
package probe
