package lvsdrtest

import (
	"context"
	"fmt"
	"io/fs"
	"net/netip"
	"strings"

	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/ipvs"
)

// The edits: each is written down as a command and may be made to fail. What reads
// comes from the embedded view, under a name that no method has.
type (
	filesView    = host.Files
	sysctlView   = host.Sysctl
	modulesView  = host.Modules
	linksView    = host.Links
	routesView   = host.Routes
	ipvsView     = host.IPVS
	firewallView = host.Firewall

	syncView       = host.Sync
	keepalivedView = host.Keepalived
	packagesView   = host.Packages
	vrrpView       = host.VRRP
)

type recFiles struct {
	filesView
	r  *Recorder
	of host.Files
}

func (v recFiles) WriteFile(name string, data []byte, perm fs.FileMode) error {
	return v.r.edit("Files.WriteFile", fileText(name, data, perm), func() error { return v.of.WriteFile(name, data, perm) })
}

func (v recFiles) Symlink(target, name string) error {
	return v.r.edit("Files.Symlink", "ln -s "+target+" "+name, func() error { return v.of.Symlink(target, name) })
}

func (v recFiles) Remove(name string) error {
	return v.r.edit("Files.Remove", "rm "+name, func() error { return v.of.Remove(name) })
}

type recSysctl struct {
	sysctlView
	r  *Recorder
	of host.Sysctl
}

func (v recSysctl) Set(key, value string) error {
	return v.r.edit("Sysctl.Set", "sysctl -w "+sysctlText(key, value), func() error { return v.of.Set(key, value) })
}

type recModules struct {
	modulesView
	r  *Recorder
	of host.Modules
}

func (v recModules) Load(ctx context.Context, name string) error {
	return v.r.edit("Modules.Load", "modprobe "+name, func() error { return v.of.Load(ctx, name) })
}

type recLinks struct {
	linksView
	r  *Recorder
	of host.Links
}

func (v recLinks) SetUp(ctx context.Context, link string, up bool) error {
	command := "ip link set " + link + " down"
	if up {
		command = "ip link set " + link + " up"
	}
	return v.r.edit("Links.SetUp", command, func() error { return v.of.SetUp(ctx, link, up) })
}

func (v recLinks) AddAddress(ctx context.Context, a host.Address) error {
	return v.r.edit("Links.AddAddress", "ip addr add "+addressText(a), func() error { return v.of.AddAddress(ctx, a) })
}

func (v recLinks) RemoveAddress(ctx context.Context, a host.Address) error {
	command := "ip addr del " + a.Prefix.String() + " dev " + a.Link
	return v.r.edit("Links.RemoveAddress", command, func() error { return v.of.RemoveAddress(ctx, a) })
}

func (v recLinks) Announce(ctx context.Context, link string, addrs ...netip.Addr) error {
	for _, addr := range addrs {
		command := "arping -U -c 1 -I " + link + " " + addr.String()
		if addr.Is6() {
			command = "ndsend " + addr.String() + " " + link
		}
		if err := v.r.edit("Links.Announce", command, func() error { return v.of.Announce(ctx, link, addr) }); err != nil {
			return err
		}
	}
	return nil
}

type recRoutes struct {
	routesView
	r  *Recorder
	of host.Routes
}

func (v recRoutes) AddBlackhole(ctx context.Context, addr netip.Addr) error {
	return v.r.edit("Routes.AddBlackhole", "ip route add "+ourBlackhole(addr).text(),
		func() error { return v.of.AddBlackhole(ctx, addr) })
}

func (v recRoutes) RemoveBlackhole(ctx context.Context, addr netip.Addr) error {
	return v.r.edit("Routes.RemoveBlackhole", "ip route del "+ourBlackhole(addr).text(),
		func() error { return v.of.RemoveBlackhole(ctx, addr) })
}

type recIPVS struct {
	ipvsView
	r  *Recorder
	of host.IPVS
}

func (v recIPVS) SetTimeouts(ctx context.Context, t ipvs.Timeouts) error {
	return v.r.edit("IPVS.SetTimeouts", "ipvsadm --set "+timeoutsText(t), func() error { return v.of.SetTimeouts(ctx, t) })
}

// Apply hands on as one batch the commands that may succeed; as in the kernel, one
// that is refused stops none behind it.
func (v recIPVS) Apply(ctx context.Context, commands []ipvs.Command) (int, error) {
	var admitted []ipvs.Command
	var index []int // of the admitted commands
	first, refused := len(commands), error(nil)
	for i, c := range commands {
		err := v.r.admit("IPVS.Apply", c.Ipvsadm())
		if err == nil {
			admitted, index = append(admitted, c), append(index, i)
		} else if refused == nil {
			first, refused = i, err
		}
	}
	if len(admitted) == 0 && refused != nil {
		return 0, &ipvs.CommandError{Index: 0, Command: commands[0], Err: refused}
	}
	done, err := v.of.Apply(ctx, admitted)
	v.logBatch(admitted[:done])
	if err != nil && done == len(admitted) {
		return done, err
	}
	if err != nil && index[done] < first {
		return index[done], err
	}
	if refused != nil {
		return first, &ipvs.CommandError{Index: first, Command: commands[first], Err: refused}
	}
	return len(commands), nil
}

// logBatch writes down the commands of a batch up to the first refused one; of
// those behind it the kernel tells nothing here.
func (v recIPVS) logBatch(commands []ipvs.Command) {
	v.r.mu.Lock()
	defer v.r.mu.Unlock()
	for _, c := range commands {
		v.r.log = append(v.r.log, c.Ipvsadm())
	}
}

type recFirewall struct {
	firewallView
	r  *Recorder
	of host.Firewall
}

func (v recFirewall) Set(ctx context.Context, gate string, openings []host.Opening) error {
	var texts []string
	for _, o := range openings {
		texts = append(texts, o.String())
	}
	command := fmt.Sprintf("%s: open %q for { %s }", v.Name(), gate, strings.Join(texts, ", "))
	return v.r.edit("Firewall.Set", command, func() error { return v.of.Set(ctx, gate, openings) })
}

type recSync struct {
	syncView
	r  *Recorder
	of host.Sync
}

func (v recSync) StartDaemon(ctx context.Context, d ipvs.Daemon) error {
	return v.r.edit("Sync.StartDaemon", d.Ipvsadm(), func() error { return v.of.StartDaemon(ctx, d) })
}

func (v recSync) StopDaemon(ctx context.Context, state ipvs.DaemonState) error {
	return v.r.edit("Sync.StopDaemon", "ipvsadm --stop-daemon "+state.String(), func() error { return v.of.StopDaemon(ctx, state) })
}

type recKeepalived struct {
	keepalivedView
	r  *Recorder
	of host.Keepalived
}

func (v recKeepalived) Start(ctx context.Context) error {
	return v.r.edit("Keepalived.Start", "keepalived start", func() error { return v.of.Start(ctx) })
}

func (v recKeepalived) Stop(ctx context.Context) error {
	return v.r.edit("Keepalived.Stop", "keepalived kill", func() error { return v.of.Stop(ctx) })
}

type recPackages struct {
	packagesView
	r  *Recorder
	of host.Packages
}

func (v recPackages) Install(ctx context.Context, name string) error {
	return v.r.edit("Packages.Install", "apt-get install "+name, func() error { return v.of.Install(ctx, name) })
}

type recVRRP struct {
	vrrpView
	r  *Recorder
	of host.VRRP
}

func (v recVRRP) Start(ctx context.Context) error {
	return v.r.edit("VRRP.Start", "vrrp start", func() error { return v.of.Start(ctx) })
}

func (v recVRRP) Reload(ctx context.Context) error {
	return v.r.edit("VRRP.Reload", "vrrp reload", func() error { return v.of.Reload(ctx) })
}

func (v recVRRP) Stop(ctx context.Context) error {
	return v.r.edit("VRRP.Stop", "vrrp stop", func() error { return v.of.Stop(ctx) })
}
