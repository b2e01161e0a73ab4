package probe

import (
	"encoding/binary"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"
)

const (
	protoVRRP = 112
	// vrrpLen is the header's length, the same in both versions.
	vrrpLen = 8
	// passwordLen is the length of a password behind the addresses, in version 2.
	passwordLen  = 8
	authPassword = 1
)

// An Advert is an advertisement by which a master of VRRP tells that it lives (RFC 3768,
// RFC 5798).
type Advert struct {
	From      netip.Addr
	MAC       net.HardwareAddr // of the frame
	Version   int              // 2 or 3
	RouterID  int
	Priority  int // 0: it gives up
	Interval  time.Duration
	Addresses []netip.Addr // as many as the beginning of a frame has
	// Password stands in clear text; version 3 has none.
	Password string
}

// parseAdvert reads the payload of a packet.
func parseAdvert(p packet) (a Advert, ok bool) {
	b := p.payload
	if p.proto != protoVRRP || len(b) < vrrpLen || b[0]&0xf != 1 {
		return Advert{}, false
	}
	a = Advert{From: p.src, MAC: p.from, Version: int(b[0] >> 4), RouterID: int(b[1]), Priority: int(b[2])}
	switch a.Version {
	case 2:
		a.Interval = time.Duration(b[5]) * time.Second
	case 3:
		a.Interval = time.Duration(binary.BigEndian.Uint16(b[4:])&0xfff) * 10 * time.Millisecond
	default:
		return Advert{}, false
	}
	count, auth, rest := int(b[3]), b[4], b[vrrpLen:]
	size := p.src.BitLen() / 8
	for ; count > 0 && len(rest) >= size; count-- {
		addr, _ := netip.AddrFromSlice(rest[:size])
		a.Addresses, rest = append(a.Addresses, addr), rest[size:]
	}
	if a.Version == 2 && auth == authPassword && count == 0 && len(rest) >= passwordLen {
		a.Password = strings.TrimRight(string(rest[:passwordLen]), "\x00")
	}
	return a, true
}

// A gathering is an [Adverts] under way.
type gathering struct{ adverts []Advert }

// take looks at a frame that came in. The latest advertisement of a router counts.
func (g *gathering) take(frame []byte) {
	p, ok := parsePacket(frame)
	if !ok {
		return
	}
	a, ok := parseAdvert(p)
	if !ok {
		return
	}
	same := slices.IndexFunc(g.adverts, func(b Advert) bool {
		return a.From == b.From && a.RouterID == b.RouterID && a.Version == b.Version
	})
	switch {
	case same >= 0:
		g.adverts[same] = a
	case len(g.adverts) < 2*most:
		g.adverts = append(g.adverts, a)
	}
}
