package linux

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"time"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/lvsdr/toolkit/lvsdr/host"
)

// The messages about addresses are written and read here, not by netlink.Addr:
// that knows neither the metric nor the protocol of an address, without which an
// address cannot be put back as it was.

// ifaProto is IFA_PROTO (include/uapi/linux/if_addr.h, since Linux 5.18).
const ifaProto = 11

// Addresses implements [host.Links].
func (l linuxLinks) Addresses(ctx context.Context) ([]host.Address, error) {
	links, err := l.Links(ctx)
	if err != nil {
		return nil, err
	}
	names := make(map[uint32]string, len(links))
	for _, link := range links {
		names[uint32(link.Index)] = link.Name
	}
	messages, err := dump(ctx, func() ([][]byte, error) {
		req := nl.NewNetlinkRequest(unix.RTM_GETADDR, unix.NLM_F_DUMP)
		req.AddData(nl.NewIfAddrmsg(unix.AF_UNSPEC))
		return req.Execute(unix.NETLINK_ROUTE, unix.RTM_NEWADDR)
	})
	if err != nil {
		return nil, fmt.Errorf("list addresses: %w", err)
	}
	var all []host.Address
	for _, m := range messages {
		a, err := decodeAddress(m, names)
		if err != nil {
			return nil, fmt.Errorf("list addresses: %w", err)
		}
		if a.Prefix.IsValid() {
			all = append(all, a)
		}
	}
	return all, nil
}

// AddAddress implements [host.Links].
func (linuxLinks) AddAddress(ctx context.Context, a host.Address) error {
	link, err := linkByName(ctx, a.Link)
	if err != nil {
		return err
	}
	flags := unix.NLM_F_ACK | unix.NLM_F_CREATE | unix.NLM_F_EXCL
	if a.Prefix.Addr().Is6() {
		flags = unix.NLM_F_ACK | unix.NLM_F_CREATE | unix.NLM_F_REPLACE
	}
	err = sendAddress(unix.RTM_NEWADDR, flags, link.Attrs().Index, a)
	if errors.Is(err, unix.EEXIST) {
		return nil
	}
	if errors.Is(err, unix.EACCES) && a.Prefix.Addr().Is6() {
		return fmt.Errorf("IPv6 is off on %s (net.ipv6.conf.%s.disable_ipv6): %w", a.Link, a.Link, err)
	}
	if err == nil && a.NoDAD {
		waitInUse(ctx, a.Prefix.Addr())
	}
	return err
}

// waitInUse waits, for a second at most, until the kernel takes packets for an
// IPv6 address just added: a worker routes it later (net/ipv6/addrconf.c,
// addrconf_dad_work). Not on a link that is down.
func waitInUse(ctx context.Context, addr netip.Addr) {
	deadline := time.Now().Add(time.Second)
	for time.Now().Before(deadline) && ctx.Err() == nil {
		if r, err := (linuxRoutes{}).To(ctx, addr); err == nil && r.Local {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// RemoveAddress implements [host.Links]. It removes the address with just this mask
// and label.
func (linuxLinks) RemoveAddress(ctx context.Context, a host.Address) error {
	link, err := linkByName(ctx, a.Link)
	if err != nil {
		return err
	}
	err = sendAddress(unix.RTM_DELADDR, unix.NLM_F_ACK, link.Attrs().Index, a)
	if errors.Is(err, unix.EADDRNOTAVAIL) {
		return nil
	}
	return err
}

func sendAddress(message, flags, index int, a host.Address) error {
	req := nl.NewNetlinkRequest(message, flags)
	header, attrs := encodeAddress(index, a)
	req.AddData(header)
	for _, attr := range attrs {
		req.AddData(attr)
	}
	_, err := req.Execute(unix.NETLINK_ROUTE, 0)
	return err
}

func encodeAddress(index int, a host.Address) (*nl.IfAddrmsg, []*nl.RtAttr) {
	family, addr := unix.AF_INET6, a.Prefix.Addr()
	if addr.Is4() {
		family = unix.AF_INET
	}
	header := nl.NewIfAddrmsg(family)
	header.Index = uint32(index)
	header.Prefixlen = uint8(a.Prefix.Bits())
	header.Scope = a.Scope

	peer := a.Peer
	if !peer.IsValid() {
		peer = addr
	}
	attrs := []*nl.RtAttr{
		nl.NewRtAttr(unix.IFA_LOCAL, addr.AsSlice()),
		nl.NewRtAttr(unix.IFA_ADDRESS, peer.AsSlice()),
	}
	if a.Broadcast.IsValid() {
		attrs = append(attrs, nl.NewRtAttr(unix.IFA_BROADCAST, a.Broadcast.AsSlice()))
	}
	if a.Label != "" && family == unix.AF_INET {
		attrs = append(attrs, nl.NewRtAttr(unix.IFA_LABEL, nl.ZeroTerminated(a.Label)))
	}
	if a.Metric != 0 {
		attrs = append(attrs, nl.NewRtAttr(unix.IFA_RT_PRIORITY, nl.Uint32Attr(a.Metric)))
	}
	if a.Protocol != 0 {
		attrs = append(attrs, nl.NewRtAttr(ifaProto, []byte{a.Protocol}))
	}
	attrs = append(attrs, nl.NewRtAttr(unix.IFA_FLAGS, nl.Uint32Attr(addressFlags(a))))
	return header, append(attrs, nl.NewRtAttr(unix.IFA_CACHEINFO, lifetimes(a).Serialize()))
}

func addressFlags(a host.Address) uint32 {
	var flags uint32
	if a.NoDAD {
		flags |= unix.IFA_F_NODAD
	}
	if a.NoPrefixRoute {
		flags |= unix.IFA_F_NOPREFIXROUTE
	}
	return flags
}

// forever is INFINITY_LIFE_TIME (include/net/addrconf.h).
const forever = math.MaxUint32

func lifetimes(a host.Address) *nl.IfaCacheInfo {
	valid := uint32(forever)
	if a.Lifetime > 0 {
		valid = uint32(a.Lifetime / time.Second)
	}
	info := &nl.IfaCacheInfo{IfaCacheinfo: unix.IfaCacheinfo{Prefered: valid, Valid: valid}}
	if a.Deprecated {
		info.Prefered = 0
	}
	return info
}

// decodeAddress reads a message of RTM_NEWADDR. It returns no prefix for what is
// no IP address on a known link.
func decodeAddress(message []byte, names map[uint32]string) (host.Address, error) {
	if len(message) < unix.SizeofIfAddrmsg {
		return host.Address{}, fmt.Errorf("a message of %d bytes: %w", len(message), unix.EBADMSG)
	}
	header := nl.DeserializeIfAddrmsg(message)
	attrs, err := nl.ParseRouteAttr(message[header.Len():])
	if err != nil {
		return host.Address{}, err
	}
	a := host.Address{Link: names[header.Index], Scope: header.Scope}
	if a.Link == "" {
		return host.Address{}, nil // gone since the links were listed
	}
	var local, address netip.Addr
	for _, attr := range attrs {
		switch attr.Attr.Type {
		case unix.IFA_LOCAL:
			local, _ = netip.AddrFromSlice(attr.Value)
		case unix.IFA_ADDRESS:
			address, _ = netip.AddrFromSlice(attr.Value)
		case unix.IFA_BROADCAST:
			a.Broadcast, _ = netip.AddrFromSlice(attr.Value)
		case unix.IFA_LABEL:
			a.Label = unix.ByteSliceToString(attr.Value)
		default:
			decodeProperty(&a, attr.Attr.Type, attr.Value)
		}
	}
	// IPv6 tells IFA_LOCAL only of point-to-point addresses.
	if !local.IsValid() {
		local = address
	}
	if address != local {
		a.Peer = address
	}
	if local.IsValid() {
		a.Prefix = netip.PrefixFrom(local, int(header.Prefixlen))
	}
	return a, nil
}

func decodeProperty(a *host.Address, attr uint16, value []byte) {
	switch {
	case attr == ifaProto && len(value) >= 1:
		a.Protocol = value[0]
	case len(value) < 4:
	case attr == unix.IFA_RT_PRIORITY:
		a.Metric = nl.NativeEndian().Uint32(value)
	case attr == unix.IFA_FLAGS:
		flags := nl.NativeEndian().Uint32(value)
		a.NoDAD = flags&unix.IFA_F_NODAD != 0
		a.NoPrefixRoute = flags&unix.IFA_F_NOPREFIXROUTE != 0
		a.DADFailed = flags&unix.IFA_F_DADFAILED != 0
		a.Tentative = flags&unix.IFA_F_TENTATIVE != 0
	case attr == unix.IFA_CACHEINFO && len(value) >= unix.SizeofIfaCacheinfo:
		info := nl.DeserializeIfaCacheInfo(value)
		if info.Valid != forever {
			a.Lifetime = time.Duration(info.Valid) * time.Second
		}
		a.Deprecated = info.Prefered == 0
	}
}
