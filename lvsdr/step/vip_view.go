package step

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/lvsdr/toolkit/lvsdr/host"
)

// vipView is what the VIP step sees of a host.
type vipView struct {
	host   *host.Host
	role   string
	vips   []netip.Addr        // of the configuration
	isVIP  map[netip.Addr]bool // these, and those still to be given back
	links  []host.Link
	all    []host.Address                // every address, in the kernel's order
	at     map[netip.Addr][]host.Address // the same by IP address
	wide   []host.Address                // those of loopback that are more than themselves
	ledger Ledger
	lines  map[string]string // of the ledger
	// lost: the role was set up, but its ledger is gone.
	lost bool

	subnetsOf map[string][]netip.Prefix // of the host's own addresses, by link
	ways      map[way]string            // the interfaces by which real servers are reached
}

func (s vipStep) look(ctx context.Context, h *host.Host) (*vipView, error) {
	v := &vipView{host: h, role: s.role, vips: s.config.VIPs(), ledger: LedgerOf(h, s.role), at: map[netip.Addr][]host.Address{},
		subnetsOf: map[string][]netip.Prefix{}, ways: map[way]string{}}
	var err error
	if v.links, err = h.Links.Links(ctx); err != nil {
		return nil, err
	}
	if v.all, err = h.Links.Addresses(ctx); err != nil {
		return nil, err
	}
	for _, a := range v.all {
		v.at[a.Prefix.Addr()] = append(v.at[a.Prefix.Addr()], a)
		if l, _ := v.linkNamed(a.Link); l.Loopback && !a.Prefix.IsSingleIP() {
			v.wide = append(v.wide, a)
		}
	}
	if v.lines, err = v.ledger.Read(); err != nil {
		return nil, err
	}
	v.isVIP = map[netip.Addr]bool{}
	for _, vip := range append(v.remembered(), v.vips...) {
		v.isVIP[vip] = true
	}
	v.lost = lostLedger(h, s.role)
	return v, nil
}

func (v *vipView) linkNamed(name string) (host.Link, bool) {
	i := slices.IndexFunc(v.links, func(l host.Link) bool { return l.Name == name })
	if i < 0 {
		return host.Link{}, false
	}
	return v.links[i], true
}

// own tells whether a is an address by which hosts of its subnet reach this one.
func (v *vipView) own(a host.Address) bool {
	ip := a.Prefix.Addr()
	return !v.isVIP[ip] && !ip.IsLinkLocalUnicast() && !ip.IsLoopback()
}

// The ledger keeps, under "vip 10.10.10.22", the addresses in JSON that the VIP
// had before set-up, none where it was nowhere.

const vipKeyPrefix = VIP + " "

func vipKey(vip netip.Addr) string { return vipKeyPrefix + vip.String() }

// remembered returns the VIPs in the ledger, sorted.
func (v *vipView) remembered() []netip.Addr { return rememberedVIPs(v.lines) }

func rememberedVIPs(lines map[string]string) []netip.Addr {
	var vips []netip.Addr
	for key := range lines {
		if word, ok := strings.CutPrefix(key, vipKeyPrefix); ok {
			if vip, err := netip.ParseAddr(word); err == nil {
				vips = append(vips, vip)
			}
		}
	}
	slices.SortFunc(vips, netip.Addr.Compare)
	return vips
}

func encodeAddresses(all []host.Address) string {
	if len(all) == 0 {
		return ""
	}
	// Marshalling cannot fail: an Address is numbers and texts.
	text, _ := json.Marshal(all)
	return string(text)
}

func (v *vipView) before(vip netip.Addr) ([]host.Address, error) {
	text := v.lines[vipKey(vip)]
	if text == "" {
		return nil, nil
	}
	var all []host.Address
	if err := json.Unmarshal([]byte(text), &all); err != nil {
		return nil, fmt.Errorf("%s: damaged line of %s: remove the file to go on without it: %w", v.ledger.name, vip, err)
	}
	return all, nil
}
