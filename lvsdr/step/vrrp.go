package step

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"slices"
	"strings"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/keepalived"
)

// movedVIPs are the VIPs of a director, which with [cluster.Config.VRRP] a keepalived of
// lvsdr's own brings here while this director is the master.
//
// It is another keepalived than the one of [watched], which is ended for each change of
// the table: a director that ends gives its VIPs away. This one only reads its
// configuration anew, and stays what it is, master or backup.
type movedVIPs struct{ vipStep }

// vrrpNow is what there is of the keepalived that moves the VIPs.
type vrrpNow struct {
	there   bool // its configuration
	left    bool // what a killed write has left of one
	text    []byte
	running bool
	carried []keepalived.Carried // what it brings here as the master
}

func lookAtVRRP(ctx context.Context, h *host.Host) (now vrrpNow, err error) {
	now.text, err = h.Files.ReadFile(host.VRRPConf)
	now.there = err == nil
	if errors.Is(err, fs.ErrNotExist) {
		now.left, err = host.Exists(h.Files, host.TemporaryName(host.VRRPConf))
	}
	switch {
	case err != nil:
		return now, err
	case h.VRRP != nil:
		now.running, err = h.VRRP.Running(ctx)
	case now.there:
		err = fmt.Errorf("keepalived: %w", host.ErrNoView)
	}
	if conf, err := keepalived.Parse(host.VRRPConf, now.text, keepalived.Options{}); err == nil {
		now.carried = conf.Carried()
	}
	return now, err
}

// The states of a director whose VIPs are moved.
const (
	VRRPMaster  = "master"  // it has them
	VRRPBackup  = "backup"  // another director has, or none
	VRRPPartly  = "partly"  // it has some of them, which is no state to stay in
	VRRPStopped = "stopped" // nobody moves them to or from this host
)

// VRRPState tells what this director is, empty where its VIPs are not moved.
func VRRPState(ctx context.Context, h *host.Host) (string, error) {
	now, err := lookAtVRRP(ctx, h)
	switch {
	case err != nil || !now.there && !now.running:
		return "", err
	case !now.running:
		return VRRPStopped, nil
	}
	all, err := h.Links.Addresses(ctx)
	if err != nil {
		return "", err
	}
	switch n := here(now.carried, all); {
	case n == 0:
		return VRRPBackup, nil
	case n < len(now.carried):
		return VRRPPartly, nil
	}
	return VRRPMaster, nil
}

// here is how many of what keepalived carries is on this host.
func here(carried []keepalived.Carried, all []host.Address) (n int) {
	for _, c := range carried {
		if slices.ContainsFunc(all, func(a host.Address) bool { return carries(c, a) }) {
			n++
		}
	}
	return n
}

func carries(c keepalived.Carried, a host.Address) bool {
	return a.Prefix == c.Prefix && a.Link == c.Link
}

// leave takes what keepalived carries out of the view: it is not this step's.
func (v *vipView) leave(carried []keepalived.Carried) {
	is := func(a host.Address) bool {
		return slices.ContainsFunc(carried, func(c keepalived.Carried) bool { return carries(c, a) })
	}
	v.all = slices.DeleteFunc(v.all, is)
	for _, c := range carried {
		v.at[c.Prefix.Addr()] = slices.DeleteFunc(v.at[c.Prefix.Addr()], is)
	}
}

func (s movedVIPs) Plan(ctx context.Context, h *host.Host, want State) ([]Change, error) {
	now, err := lookAtVRRP(ctx, h)
	if err != nil {
		return nil, err
	}
	v, err := s.look(ctx, h)
	if err != nil {
		return nil, err
	}
	v.leave(now.carried)
	if want == Present && s.config.VRRP != nil {
		return s.moved(ctx, v, now)
	}
	ends := v.ends(want, now)
	changes, err := s.plan(ctx, v, want)
	return append(ends, changes...), err
}

func (s movedVIPs) Apply(ctx context.Context, h *host.Host, changes []Change) (done int, err error) {
	done, err = s.make(ctx, h, changes)
	if err != nil || done == 0 {
		return done, err
	}
	return done, confirmVIPs(ctx, h, s, changes)
}

// ends is the change after which there is no such keepalived, and none of what it carried
// here, one that was killed included.
func (v *vipView) ends(want State, now vrrpNow) []Change {
	if !now.there && !now.running && !now.left {
		return nil
	}
	return []Change{v.change(want, Remove, "keepalived (VRRP)", func(ctx context.Context) error {
		if err := v.endVRRP(ctx, now); err != nil {
			return err
		}
		return v.host.Files.Remove(host.VRRPConf)
	})}
}

func (v *vipView) endVRRP(ctx context.Context, now vrrpNow) error {
	if v.host.VRRP != nil { // one that was killed comes again
		if err := v.host.VRRP.Stop(ctx); err != nil {
			return err
		}
	}
	all, err := v.host.Links.Addresses(ctx)
	if err != nil {
		return err
	}
	for _, a := range all {
		if here(now.carried, []host.Address{a}) == 0 {
			continue
		}
		if err := v.host.Links.RemoveAddress(ctx, a); err != nil {
			return fmt.Errorf("remove %s: %w", a, err)
		}
	}
	return nil
}

// moved are the changes after which keepalived alone moves the VIPs.
func (s movedVIPs) moved(ctx context.Context, v *vipView, now vrrpNow) ([]Change, error) {
	want, err := s.wanted(ctx, v)
	if err != nil {
		return nil, err
	}
	if now.running && len(now.carried) == 0 { // somebody has changed its file, or taken it away
		v.leave(want.Carried())
	}
	changes, err := s.givenUp(v, want, !now.running)
	if err != nil {
		return nil, err
	}
	own, err := s.keepalived(ctx, v, now, want)
	if err != nil {
		return nil, err
	}
	former, err := v.giveBack(Present, without(v.remembered(), v.vips))
	return slices.Concat(changes, own, former), err
}

// wanted is the configuration that keepalived is to have on this director.
func (s movedVIPs) wanted(ctx context.Context, v *vipView) (keepalived.Config, error) {
	links, err := s.linksOf(ctx, v)
	if err != nil {
		return keepalived.Config{}, err
	}
	if name := s.config.VRRP.Interface; name != "" {
		if _, err := v.usable(name); err != nil {
			return keepalived.Config{}, fmt.Errorf("vrrp.interface: %w", err)
		}
	}
	at := s.config.DirectorAt(v.addresses())
	if at < 0 {
		return keepalived.Config{}, errNoDirector(s.config)
	}
	if err := v.movedByOthers(); err != nil {
		return keepalived.Config{}, err
	}
	return keepalived.VRRP(s.config, "the cluster's description", at, func(vip netip.Addr) string { return links[vip].Name }), nil
}

func errNoDirector(c cluster.Config) error {
	var all []string
	for _, d := range c.Directors {
		all = append(all, d.Address.String())
	}
	return fmt.Errorf("vrrp: this host has none of the directors' addresses (%s): list its own address on the LAN under directors, or set up on one of them",
		strings.Join(all, ", "))
}

// othersConf is keepalived's usual configuration, whoever's it is.
const othersConf = "/etc/keepalived/keepalived.conf"

// movedByOthers fails where keepalived's usual configuration has one of the VIPs too: two
// would bring it and take it away. What cannot be read there is the doctor's to tell.
func (v *vipView) movedByOthers() error {
	text, err := v.host.Files.ReadFile(othersConf)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	conf, err := keepalived.Parse(othersConf, text, keepalived.Options{})
	if err != nil {
		return nil //nolint:nilerr // see above
	}
	for _, c := range conf.Carried() {
		if vip := c.Prefix.Addr(); slices.Contains(v.vips, vip) {
			return fmt.Errorf("vrrp: the VIP %s is in a vrrp_instance of %s too, which another keepalived reads: take it out there "+
				"and reload that (systemctl reload keepalived), or stop it for good (systemctl disable --now keepalived) and move the file away; or leave vrrp out here", vip, othersConf)
		}
	}
	return nil
}

// keepalived are the changes of keepalived itself. Where a VIP goes, it goes last.
func (s movedVIPs) keepalived(ctx context.Context, v *vipView, now vrrpNow, want keepalived.Config) ([]Change, error) {
	if v.host.VRRP == nil {
		return nil, fmt.Errorf("vrrp: %w", host.ErrNoView)
	}
	text := want.Render()
	same := bytes.Equal(now.text, text)
	if same && now.running {
		return nil, nil
	}
	if err := s.taken(ctx, v.host, text); err != nil {
		return nil, err
	}
	c := Change{Op: Add, Object: host.VRRPConf}
	if now.there {
		c.Op = Set
	}
	c.To = s.described(v)
	if !now.running {
		start := v.change(Present, Add, "keepalived (VRRP)", func(ctx context.Context) error { return s.startVRRP(ctx, v, text, want.Carried()) })
		start.To = "moves the VIPs between the directors"
		if same {
			return []Change{start}, nil
		}
		write := v.change(Present, c.Op, c.Object, func(context.Context) error { return v.host.Files.WriteFile(host.VRRPConf, text, 0o600) })
		write.To = c.To
		return []Change{write, start}, nil
	}
	reload := v.change(Present, c.Op, c.Object, func(ctx context.Context) error {
		return s.takeOver(ctx, v, want.Carried(), func() error { return reloadVRRP(ctx, v.host, now, text, want.Carried()) })
	})
	reload.To = c.To
	reload.Late = slices.ContainsFunc(now.carried, func(c keepalived.Carried) bool { return !slices.Contains(want.Carried(), c) })
	return []Change{reload}, nil
}

// described tells how the VIPs are moved.
func (s movedVIPs) described(v *vipView) string {
	full := s.config.VRRP.Full()
	how := "multicast"
	if full.Unicast {
		how = "unicast"
	}
	return fmt.Sprintf("VRRP %d, priority %d, every %v, %s", *full.RouterID, s.priority(v), full.Interval, how)
}

// addresses are all that this host has.
func (v *vipView) addresses() (all []netip.Addr) {
	for _, a := range v.all {
		all = append(all, a.Prefix.Addr())
	}
	return all
}

// priority is that of this director.
func (s movedVIPs) priority(v *vipView) int {
	if at := s.config.DirectorAt(v.addresses()); at >= 0 {
		return s.config.Priorities()[at]
	}
	return cluster.DefaultPriority
}

// taken fails where keepalived would not take the configuration.
func (s movedVIPs) taken(ctx context.Context, h *host.Host, text []byte) error {
	if err := enough(ctx, s.config, h.VRRP); err != nil {
		return fmt.Errorf("vrrp: %w", err)
	}
	err := h.VRRP.Test(ctx, text)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("vrrp: %w: %w", ErrNoKeepalived, err)
	}
	if err != nil {
		return fmt.Errorf("vrrp: %w", err)
	}
	return nil
}
