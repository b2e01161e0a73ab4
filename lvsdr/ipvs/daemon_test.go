package ipvs

import (
	"net/netip"
	"testing"
)

// What is written of a daemon is read as the same, whatever the group's family.
func TestDaemonCodec(t *testing.T) {
	for _, d := range []Daemon{
		{State: MasterDaemon, Interface: "eth0"},
		{State: BackupDaemon, Interface: "eth01234567890x", ID: 255, MaxLen: 65000, Group: netip.MustParseAddr("239.0.0.1"), Port: 8849, TTL: 255},
		{State: MasterDaemon, Interface: "lo", ID: 1, Group: netip.MustParseAddr("ff05::81"), Port: 1, TTL: 1},
	} {
		if err := d.check(); err != nil {
			t.Error(err)
		}
		payload := appendDaemon(make([]byte, genlHeaderLen), d)
		if got, err := decodeDaemon(payload); err != nil || got != d {
			t.Errorf("%+v, %v; want %+v", got, err, d)
		}
		for n := genlHeaderLen; n < len(payload); n++ {
			if got, err := decodeDaemon(payload[:n]); err == nil {
				t.Errorf("%d of %d bytes are %+v", n, len(payload), got)
			}
		}
	}
}
