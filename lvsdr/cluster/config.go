package cluster

import (
	"net/netip"
	"time"

	"github.com/lvsdr/toolkit/lvsdr/ipvs"
)

//go:generate go test -run ^TestSchema$ . -update-schema

// Config is the cluster as data, the same on every host. What differs between
// hosts is the role.
type Config struct {
	// Interface is the LAN interface that carries the VIPs on a director, where a
	// service names none; empty means the one whose subnet holds the VIP, or else
	// whose route reaches the real servers.
	Interface string `yaml:"interface,omitempty" json:"interface,omitempty"`
	// ARPInterfaces are the LAN interfaces on which a real server is silent for the VIPs,
	// and asks with the interface's own address. Empty: all, those too that have nothing
	// to do with the cluster.
	ARPInterfaces []string `yaml:"arpInterfaces,omitempty" json:"arpInterfaces,omitempty"`
	// Directors are the hosts that may be the director. A host is one of them, or it
	// is none: nothing else makes a host the director unasked.
	Directors []Director `yaml:"directors,omitempty" json:"directors,omitempty"`
	// Engine is who keeps the table: ipvs (the default), where it is as lvsdr sets it, or
	// keepalived, which takes out the real servers whose health check fails.
	Engine string `yaml:"engine,omitempty" json:"engine,omitempty"`
	// Sync has the directors tell each other of their connections, so that those go on
	// when another one takes over; nil: they do not.
	Sync *Sync `yaml:"sync,omitempty" json:"sync,omitempty"`
	// VRRP moves the VIPs between the directors; nil: a director that is set up has them.
	VRRP *VRRP `yaml:"vrrp,omitempty" json:"vrrp,omitempty"`
	// Notify has keepalived send mails; nil: it sends none.
	Notify *Notify `yaml:"notify,omitempty" json:"notify,omitempty"`
	// Services are the virtual services.
	Services []Service `yaml:"services" json:"services"`
	// Timeouts are IPVS's connection timeouts (ipvsadm --set), whole seconds; those
	// not given are left to the kernel.
	Timeouts Timeouts `yaml:"timeouts,omitempty" json:"timeouts,omitzero"`
	// Tuning is for a director with many connections; nothing is tuned that is not given.
	Tuning Tuning `yaml:"tuning,omitempty" json:"tuning,omitzero"`
	// Firewall names who opens the ports: auto (the default, whoever runs on the
	// host), firewalld, ufw, nftables, iptables or none.
	Firewall string `yaml:"firewall,omitempty" json:"firewall,omitempty"`
	// Drain is how long a removed TCP or SCTP real server may keep its
	// established connections, at weight 0, before it is taken out; 30s when not
	// given, 0 takes it out at once.
	Drain *Duration `yaml:"drain,omitempty" json:"drain,omitempty"`
}

// DefaultDrain is [Config.Drain] when it is nil: how long a removed real server may keep its connections.
const DefaultDrain = 30 * time.Second

// DefaultScheduler is weighted round robin.
const DefaultScheduler = "wrr"

// A Director is a host that may be the cluster's director.
type Director struct {
	// Address is the DIP, its own address on the LAN.
	Address netip.Addr `yaml:"address" json:"address"`
	// Priority decides between several directors, the highest first, 1 to 254; when not
	// given see [Config.Priorities].
	Priority *int `yaml:"priority,omitempty" json:"priority,omitempty"`
}

// DefaultPriority is [Director.Priority] when it is nil, as VRRP has it (RFC 5798
// section 5.2.4).
const DefaultPriority = 100

// A Service is one VIP with the ports that are balanced alike.
type Service struct {
	// VIP is the address that clients visit, IPv4 or IPv6.
	VIP netip.Addr `yaml:"vip" json:"vip"`
	// Interface is the LAN interface that carries this VIP on a director, where
	// the VIPs are on several LANs.
	Interface string `yaml:"interface,omitempty" json:"interface,omitempty"`
	// Ports are the ports that are balanced; 80 when not given.
	Ports []Port `yaml:"ports,omitempty" json:"ports,omitempty"`
	// Scheduler is one of the kernel's (ipvsadm(8)); wrr when not given.
	Scheduler string `yaml:"scheduler,omitempty" json:"scheduler,omitempty"`
	// SchedulerFlags are those of ipvsadm -b: sh-fallback, sh-port, mh-fallback, mh-port.
	SchedulerFlags []string `yaml:"schedulerFlags,omitempty" json:"schedulerFlags,omitempty"`
	// OnePacket schedules every UDP datagram on its own (ipvsadm -o).
	OnePacket bool `yaml:"onePacket,omitempty" json:"onePacket,omitempty"`
	// Persistence keeps a client on its real server for so long after its last
	// connection, whole seconds; 0 is none.
	Persistence Duration `yaml:"persistence,omitempty" json:"persistence,omitzero"`
	// PersistenceNetmask is the prefix length that makes clients one client
	// (ipvsadm -M), 1 to 32 or 128; when not given, every address is its own.
	PersistenceNetmask int `yaml:"persistenceNetmask,omitempty" json:"persistenceNetmask,omitempty"`
	// Check is how keepalived looks after the real servers, with that engine only.
	Check *Check `yaml:"check,omitempty" json:"check,omitempty"`
	// Quorum is the least sum of the weights of healthy real servers with which the
	// service serves, with engine keepalived only; 1 when not given.
	Quorum int `yaml:"quorum,omitempty" json:"quorum,omitempty"`
	// SorryServer takes the connections while there is no quorum, with engine keepalived
	// only. It is set up like a real server.
	SorryServer netip.Addr `yaml:"sorryServer,omitempty" json:"sorryServer,omitzero"`
	// Inhibit leaves a real server whose check fails in the table with weight 0, so that
	// its connections go on where it still serves them, with engine keepalived only. Else
	// it leaves the table, and they end.
	Inhibit bool `yaml:"inhibit,omitempty" json:"inhibit,omitempty"`
	// RealServers are the hosts that the connections go to; a director needs them.
	RealServers []RealServer `yaml:"realServers,omitempty" json:"realServers,omitempty"`
}

// A RealServer is one of the hosts that a service's connections go to.
type RealServer struct {
	// Address is the RIP, its own address on the director's LAN.
	Address netip.Addr `yaml:"address" json:"address"`
	// Weight is its share; 1 when not given. 0 takes no new connections.
	Weight *int `yaml:"weight,omitempty" json:"weight,omitempty"`
	// Drained keeps new connections away, whatever the weight is, which counts again
	// without it (lvsdr drain, lvsdr undrain).
	Drained bool `yaml:"drained,omitempty" json:"drained,omitempty"`
	// UpperThreshold is the number of connections at which it gets no new ones
	// (ipvsadm -x); 0 is none.
	UpperThreshold uint32 `yaml:"upperThreshold,omitempty" json:"upperThreshold,omitempty"`
	// LowerThreshold is the number of connections below which it gets new ones
	// again (ipvsadm -y); 0 is three quarters of the upper one.
	LowerThreshold uint32 `yaml:"lowerThreshold,omitempty" json:"lowerThreshold,omitempty"`
}

// Timeouts are IPVS's connection timeouts (ipvsadm --set), whole seconds.
type Timeouts struct {
	// TCP is that of established connections.
	TCP Duration `yaml:"tcp,omitempty" json:"tcp,omitzero"`
	// TCPFin is that of connections whose end has been seen.
	TCPFin Duration `yaml:"tcpFin,omitempty" json:"tcpFin,omitzero"`
	// UDP is that of UDP.
	UDP Duration `yaml:"udp,omitempty" json:"udp,omitzero"`
}

// Tuning is what a director with many connections may want otherwise than the kernel has it.
type Tuning struct {
	// ConnTabBits has IPVS's table of connections made with 2^n rows, 8 to 20
	// (conn_tab_bits of module ip_vs): from when the module is loaded the next time. When
	// not given, it is left to the kernel.
	ConnTabBits int `yaml:"connTabBits,omitempty" json:"connTabBits,omitempty"`
}

// Protocol is the transport protocol of a service.
type Protocol = ipvs.Protocol

// The protocols that IPVS balances.
const (
	TCP  = ipvs.TCP
	UDP  = ipvs.UDP
	SCTP = ipvs.SCTP
)

// A Port is a port with its protocol: 80 or "80/tcp", "53/udp", "2905/sctp".
// Port 0, with persistence only, is every port of the VIP.
type Port struct {
	Number   uint16
	Protocol Protocol // 0 is TCP
}

// Duration is a time.Duration written as "20s" in YAML and JSON, always with its
// unit.
type Duration time.Duration
