package cluster

import (
	"cmp"
	"net/netip"
	"reflect"
	"slices"
	"time"
)

// VRRP moves the VIPs between the directors, by keepalived: the one with the highest
// priority has them while it lives. It is the same on every director.
type VRRP struct {
	// RouterID is the virtual_router_id, 1 to 255, on this LAN these directors' alone;
	// 51 when not given.
	RouterID *int `yaml:"routerId,omitempty" json:"routerId,omitempty"`
	// Interval is the time from one advertisement to the next; 1s when not given. Without
	// a master for three of them, another director takes over.
	Interval Duration `yaml:"interval,omitempty" json:"interval,omitzero"`
	// Interface is the one that the advertisements take; when not given, that of the VIPs.
	Interface string `yaml:"interface,omitempty" json:"interface,omitempty"`
	// Auth is a password, at most 8 characters, which travels in clear text.
	Auth string `yaml:"auth,omitempty" json:"auth,omitempty"`
	// AuthHMAC is a key that the directors share, 32 to 64 bytes in hexadecimal, by which
	// advertisements of others are told (auth_hmac of keepalived 2.4.2).
	AuthHMAC string `yaml:"authHmac,omitempty" json:"authHmac,omitempty"`
	// Unicast has advertisements go from one director's address to the others', and not
	// to a multicast group.
	Unicast bool `yaml:"unicast,omitempty" json:"unicast,omitempty"`
	// Preempt has a director with a higher priority take the VIPs back when it returns;
	// true when not given.
	Preempt *bool `yaml:"preempt,omitempty" json:"preempt,omitempty"`
}

const (
	defaultRouterID       = 51
	defaultAdvertInterval = time.Second
	// priorityStep is from one director that has none given to the next.
	priorityStep = 10
)

// Full is v with every default filled in.
func (v VRRP) Full() VRRP {
	id := or(v.RouterID, defaultRouterID)
	v.RouterID = &id
	v.Interval = cmp.Or(v.Interval, Duration(defaultAdvertInterval))
	if v.Preempt == nil {
		yes := true
		v.Preempt = &yes
	}
	return v
}

// TakesOver is how long a director of that priority hears no master before it is one
// (RFC 5798 section 6.1: three intervals and the skew).
func (v VRRP) TakesOver(priority int) time.Duration {
	interval := time.Duration(v.Full().Interval)
	return 3*interval + interval*time.Duration(256-priority)/256
}

// PreemptDelay is how long a director of higher priority waits before it takes the VIPs
// from another one: with [Config.Sync] until it has been told of all connections that
// have packets, which is done again every ten seconds, and two seconds later at the most.
func (c Config) PreemptDelay() time.Duration {
	if c.VRRP == nil || c.Sync == nil || !*c.VRRP.Full().Preempt {
		return 0
	}
	return 13 * time.Second
}

// Priorities are those of the directors. With [Config.VRRP] one that has none given has
// 100 less ten for each director before it: the first is the master.
func (c Config) Priorities() []int {
	all := make([]int, len(c.Directors))
	for i, d := range c.Directors {
		switch {
		case d.Priority != nil:
			all[i] = *d.Priority
		case c.VRRP != nil:
			all[i] = max(1, DefaultPriority-priorityStep*i)
		default:
			all[i] = DefaultPriority
		}
	}
	return all
}

// DirectorAt is the place in the list of the director that has one of the addresses; -1
// when none has.
func (c Config) DirectorAt(addresses []netip.Addr) int {
	return slices.IndexFunc(c.Directors, func(d Director) bool { return slices.Contains(addresses, d.Address) })
}

// sameVRRP tells whether both move the VIPs alike.
func (c Config) sameVRRP(other Config) bool {
	if c.VRRP == nil || other.VRRP == nil {
		return c.VRRP == other.VRRP
	}
	addresses := func(c Config) (all []netip.Addr) {
		for _, d := range c.Directors {
			all = append(all, d.Address)
		}
		return all
	}
	return reflect.DeepEqual(c.VRRP.Full(), other.VRRP.Full()) && slices.Equal(c.Priorities(), other.Priorities()) &&
		slices.Equal(addresses(c), addresses(other))
}
