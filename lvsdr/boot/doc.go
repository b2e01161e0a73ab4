// Package boot reads what will happen to a host at its next boot: which file sets a
// sysctl last, which modules are loaded, which addresses the network's managers
// (ifupdown, netplan, systemd-networkd, NetworkManager, keepalived) and scripts bring.
//
// It reads files and judges nothing, and it never writes: what set-up leaves for the
// next boot is written by the steps.
package boot
