package cluster

import (
	"cmp"
	"net/netip"
	"reflect"
	"strconv"

	"github.com/lvsdr/toolkit/lvsdr/ipvs"
)

// Sync is the kernel's connection synchronisation (ipvsadm --start-daemon): each director
// tells the others of its connections, and keeps what they tell.
type Sync struct {
	// Interface is the one on whose LAN the directors tell each other; that of the file
	// when not given.
	Interface string `yaml:"interface,omitempty" json:"interface,omitempty"`
	// ID tells the clusters of a LAN apart, 1 to 255; 1 when not given.
	ID *int `yaml:"id,omitempty" json:"id,omitempty"`
	// Group is the multicast address; 224.0.0.81 when not given.
	Group netip.Addr `yaml:"group,omitempty" json:"group,omitzero"`
	// Port is the UDP port; 8848 when not given.
	Port *int `yaml:"port,omitempty" json:"port,omitempty"`
}

// The kernel's own defaults (IP_VS_SYNC_GROUP and IP_VS_SYNC_PORT in
// net/netfilter/ipvs/ip_vs_sync.c), and that of keepalived for the id but for 0, with
// which a daemon takes what any cluster tells.
const (
	DefaultSyncID   = 1
	DefaultSyncPort = 8848
)

// DefaultSyncGroup is [Sync.Group] when it is not given.
var DefaultSyncGroup = netip.MustParseAddr("224.0.0.81")

// SyncDaemons are the kernel's daemons of a director with every default filled in, none
// without [Config.Sync]: a master, which tells, and a backup, which keeps what it is told.
// Every director has both, so that none need change when another one takes over.
func (c Config) SyncDaemons() []ipvs.Daemon {
	if c.Sync == nil {
		return nil
	}
	d := ipvs.Daemon{
		Interface: cmp.Or(c.Sync.Interface, c.Interface), ID: uint8(or(c.Sync.ID, DefaultSyncID)),
		Group: cmp.Or(c.Sync.Group, DefaultSyncGroup), Port: uint16(or(c.Sync.Port, DefaultSyncPort)),
	}
	master, backup := d, d
	master.State, backup.State = ipvs.MasterDaemon, ipvs.BackupDaemon
	return []ipvs.Daemon{master, backup}
}

func or(n *int, usual int) int {
	if n == nil {
		return usual
	}
	return *n
}

// sameSync tells whether both have the same daemons.
func (c Config) sameSync(other Config) bool {
	return reflect.DeepEqual(c.SyncDaemons(), other.SyncDaemons())
}

// sync checks the key of that name.
func (v *validation) sync(c Config) {
	s := c.Sync
	if s == nil {
		return
	}
	if s.Interface == "" && c.Interface == "" {
		v.add("sync.interface", "", "the interface is wanted on whose LAN the directors tell each other, such as eth0")
	} else if reason := wrongInterface(s.Interface); s.Interface == "lo" {
		v.add("sync.interface", s.Interface, "the LAN interface is wanted: on lo no other director hears it")
	} else if reason != "" {
		v.add("sync.interface", s.Interface, reason)
	}
	if id := or(s.ID, DefaultSyncID); id < 1 || id > 255 {
		v.add("sync.id", strconv.Itoa(id), "an id is 1 to 255, the same on all directors; with 0 a director keeps what any cluster tells")
	}
	if g := s.Group; g.IsValid() && (!g.IsMulticast() || g.Is4In6() || g.Zone() != "") {
		v.add("sync.group", g.String(), "a multicast address is wanted, such as "+DefaultSyncGroup.String())
	}
	if p := or(s.Port, DefaultSyncPort); p < 1 || p > 65535 {
		v.add("sync.port", strconv.Itoa(p), "a port is 1 to 65535")
	}
}
