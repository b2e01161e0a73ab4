package probe

import (
	"encoding/hex"
	"net"
	"net/netip"
	"strings"
	"testing"
)

var (
	testMAC = net.HardwareAddr{0x02, 0, 0, 0, 0, 0x30}
	testVIP = netip.MustParseAddr("10.10.10.22")
	testV6  = netip.MustParseAddr("fd00::22")
)

func TestGratuitousARP(t *testing.T) {
	const head = "ffffffffffff 020000000030 0806  0001 0800 06 04 "
	tests := map[ARPOp]string{
		ARPRequest: head + "0001  020000000030 0a0a0a16  000000000000 0a0a0a16",
		ARPReply:   head + "0002  020000000030 0a0a0a16  020000000030 0a0a0a16",
	}
	for op, want := range tests {
		got, err := GratuitousARP(op, testMAC, testVIP)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, got, want)
	}
}

func TestAdvertisement(t *testing.T) {
	got, err := Advertisement(testMAC, testV6)
	if err != nil {
		t.Fatal(err)
	}
	// That the checksum is right is also the kernel's word: it drops a wrong one (TestAnnounce).
	equal(t, got, `333300000001 020000000030 86dd
		60000000 0020 3a ff  fd000000000000000000000000000022  ff020000000000000000000000000001
		88 00 5a2a 20000000  fd000000000000000000000000000022  02 01 020000000030`)
}

func equal(t *testing.T, got []byte, want string) {
	t.Helper()
	want = strings.Join(strings.Fields(want), "")
	if s := hex.EncodeToString(got); s != want {
		t.Errorf("\n got %s\nwant %s", s, want)
	}
}

func TestRefused(t *testing.T) {
	short := testMAC[:4]
	for name, err := range map[string]error{
		"ARP for IPv6":                  errOf(GratuitousARP(ARPRequest, testMAC, testV6)),
		"ARP, no MAC":                   errOf(GratuitousARP(ARPRequest, nil, testVIP)),
		"advertisement for IPv4":        errOf(Advertisement(testMAC, testVIP)),
		"advertisement for mapped IPv4": errOf(Advertisement(testMAC, netip.MustParseAddr("::ffff:10.10.10.22"))),
		"advertisement, short MAC":      errOf(Advertisement(short, testV6)),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func errOf(_ []byte, err error) error { return err }
