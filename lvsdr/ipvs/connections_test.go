package ipvs

import (
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"
)

// As a 6.1 kernel writes it.
const procConnections = `Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Expires PEName PEData
TCP 0A0A0A64 D431 0A0A0A16 0050 0A0A0A1F 0050 ESTABLISHED     899
TCP 0A0A0A64 0000 0A0A0A16 0050 0A0A0A20 0050 NONE             19
IP  0A0A0A64 0000 00000007 0000 0A0A0A20 0000 ASSURED         359
TCP fd00:0010:0000:0000:0000:0000:0000:0100 A44C fd00:0010:0000:0000:0000:0000:0000:0022 0050 fd00:0010:0000:0000:0000:0000:0000:0031 0050 FIN_WAIT          4
UDP [fd00:0010:0000:0000:0000:0000:0000:0100] A44C [fd00:0010:0000:0000:0000:0000:0000:0022] 0035 [fd00:0010:0000:0000:0000:0000:0000:0031] 0035 UDP             299 sip abc
`

func TestReadConnections(t *testing.T) {
	at := netip.MustParseAddrPort
	want := []Connection{
		{TCP, at("10.10.10.100:54321"), at("10.10.10.22:80"), at("10.10.10.31:80"), "ESTABLISHED", 899 * time.Second, ""},
		{TCP, at("10.10.10.100:0"), at("10.10.10.22:80"), at("10.10.10.32:80"), "NONE", 19 * time.Second, ""},
		{0, at("10.10.10.100:0"), at("0.0.0.7:0"), at("10.10.10.32:0"), "ASSURED", 359 * time.Second, ""},
		{TCP, at("[fd00:10::100]:42060"), at("[fd00:10::22]:80"), at("[fd00:10::31]:80"), "FIN_WAIT", 4 * time.Second, ""},
		{UDP, at("[fd00:10::100]:42060"), at("[fd00:10::22]:53"), at("[fd00:10::31]:53"), "UDP", 299 * time.Second, "sip"},
	}
	upTo := func(n int) func(int) bool { return func(have int) bool { return have < n } }
	if got, err := ReadConnections(strings.NewReader(procConnections), upTo(100)); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, %v\nwant %v", got, err, want)
	}
	if got, err := ReadConnections(strings.NewReader(procConnections), upTo(2)); err != nil || !reflect.DeepEqual(got, want[:2]) {
		t.Errorf("at most 2: got %v, %v", got, err)
	}
	if got, err := ReadConnections(strings.NewReader(procConnections+"TCP 0A0A0A64\n"), upTo(100)); err == nil || len(got) != 5 {
		t.Errorf("a broken line: %v, %v", got, err)
	}
}

func FuzzReadConnections(f *testing.F) {
	for line := range strings.Lines(procConnections) {
		f.Add(strings.TrimSpace(line))
	}
	f.Fuzz(func(t *testing.T, line string) {
		c, err := parseConnection(line)
		if err != nil {
			return
		}
		if !c.Client.IsValid() || !c.Virtual.IsValid() || !c.Server.IsValid() || c.State == "" || c.Expires < 0 {
			t.Errorf("read %+v", c)
		}
	})
}
