package firewall

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/godbus/dbus/v5"

	"github.com/lvsdr/toolkit/lvsdr/host"
)

// firewalld leaves out of a service what it has none of: one for VRRP has no ports.
func TestServiceWithoutPorts(t *testing.T) {
	s := settings{
		"description": dbus.MakeVariant(ourService),
		"protocols":   dbus.MakeVariant([]string{"vrrp"}),
		"destination": dbus.MakeVariant(map[string]string{"ipv4": "224.0.0.18"}),
	}
	want := []host.Opening{{VIP: netip.MustParseAddr("224.0.0.18"), Protocol: host.VRRPProtocol}}
	if got := parseService(s); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
