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

type recFiles struct {
	*Recorder
	host.Files
}

func (v recFiles) ReadFile(name string) ([]byte, error) {
	if err := v.read("Files.ReadFile"); err != nil {
		return nil, err
	}
	return v.Files.ReadFile(name)
}

func (v recFiles) Readlink(name string) (string, error) {
	if err := v.read("Files.Readlink"); err != nil {
		return "", err
	}
	return v.Files.Readlink(name)
}

func (v recFiles) ReadDir(name string) ([]string, error) {
	if err := v.read("Files.ReadDir"); err != nil {
		return nil, err
	}
	return v.Files.ReadDir(name)
}

func (v recFiles) WriteFile(name string, data []byte, perm fs.FileMode) error {
	return v.edit("Files.WriteFile", fileText(name, data, perm), func() error { return v.Files.WriteFile(name, data, perm) })
}

func (v recFiles) Symlink(target, name string) error {
	return v.edit("Files.Symlink", "ln -s "+target+" "+name, func() error { return v.Files.Symlink(target, name) })
}

func (v recFiles) Remove(name string) error {
	return v.edit("Files.Remove", "rm "+name, func() error { return v.Files.Remove(name) })
}

type recSysctl struct {
	*Recorder
	host.Sysctl
}

func (v recSysctl) Get(key string) (string, error) {
	if err := v.read("Sysctl.Get"); err != nil {
		return "", err
	}
	return v.Sysctl.Get(key)
}

func (v recSysctl) Set(key, value string) error {
	return v.edit("Sysctl.Set", "sysctl -w "+sysctlText(key, value), func() error { return v.Sysctl.Set(key, value) })
}

type recModules struct {
	*Recorder
	host.Modules
}

func (v recModules) Loaded(name string) (bool, error) {
	if err := v.read("Modules.Loaded"); err != nil {
		return false, err
	}
	return v.Modules.Loaded(name)
}

func (v recModules) Find(ctx context.Context, name string) error {
	if err := v.read("Modules.Find"); err != nil {
		return err
	}
	return v.Modules.Find(ctx, name)
}

func (v recModules) Load(ctx context.Context, name string) error {
	return v.edit("Modules.Load", "modprobe "+name, func() error { return v.Modules.Load(ctx, name) })
}

type recLinks struct {
	*Recorder
	inner host.Links
}

func (v recLinks) Links(ctx context.Context) ([]host.Link, error) {
	if err := v.read("Links.Links"); err != nil {
		return nil, err
	}
	return v.inner.Links(ctx)
}

func (v recLinks) Addresses(ctx context.Context) ([]host.Address, error) {
	if err := v.read("Links.Addresses"); err != nil {
		return nil, err
	}
	return v.inner.Addresses(ctx)
}

func (v recLinks) SetUp(ctx context.Context, link string, up bool) error {
	command := "ip link set " + link + " down"
	if up {
		command = "ip link set " + link + " up"
	}
	return v.edit("Links.SetUp", command, func() error { return v.inner.SetUp(ctx, link, up) })
}

func (v recLinks) AddAddress(ctx context.Context, a host.Address) error {
	return v.edit("Links.AddAddress", "ip addr add "+addressText(a), func() error { return v.inner.AddAddress(ctx, a) })
}

func (v recLinks) RemoveAddress(ctx context.Context, a host.Address) error {
	command := "ip addr del " + a.Prefix.String() + " dev " + a.Link
	return v.edit("Links.RemoveAddress", command, func() error { return v.inner.RemoveAddress(ctx, a) })
}

func (v recLinks) Announce(ctx context.Context, link string, addrs ...netip.Addr) error {
	for _, addr := range addrs {
		command := "arping -U -c 1 -I " + link + " " + addr.String()
		if addr.Is6() {
			command = "ndsend " + addr.String() + " " + link
		}
		if err := v.edit("Links.Announce", command, func() error { return v.inner.Announce(ctx, link, addr) }); err != nil {
			return err
		}
	}
	return nil
}

type recRoutes struct {
	*Recorder
	host.Routes
}

func (v recRoutes) To(ctx context.Context, dst netip.Addr) (host.Route, error) {
	if err := v.read("Routes.To"); err != nil {
		return host.Route{}, err
	}
	return v.Routes.To(ctx, dst)
}

func (v recRoutes) Blackholes(ctx context.Context) ([]netip.Addr, error) {
	if err := v.read("Routes.Blackholes"); err != nil {
		return nil, err
	}
	return v.Routes.Blackholes(ctx)
}

func (v recRoutes) AddBlackhole(ctx context.Context, addr netip.Addr) error {
	return v.edit("Routes.AddBlackhole", "ip route add "+ourBlackhole(addr).text(),
		func() error { return v.Routes.AddBlackhole(ctx, addr) })
}

func (v recRoutes) RemoveBlackhole(ctx context.Context, addr netip.Addr) error {
	return v.edit("Routes.RemoveBlackhole", "ip route del "+ourBlackhole(addr).text(),
		func() error { return v.Routes.RemoveBlackhole(ctx, addr) })
}

type recIPVS struct {
	*Recorder
	host.IPVS
}

func (v recIPVS) Services(ctx context.Context, detail ipvs.Detail) ([]ipvs.Service, error) {
	if err := v.read("IPVS.Services"); err != nil {
		return nil, err
	}
	return v.IPVS.Services(ctx, detail)
}

func (v recIPVS) Destinations(ctx context.Context, id ipvs.ID, detail ipvs.Detail) ([]ipvs.Destination, error) {
	if err := v.read("IPVS.Destinations"); err != nil {
		return nil, err
	}
	return v.IPVS.Destinations(ctx, id, detail)
}

func (v recIPVS) Timeouts(ctx context.Context) (ipvs.Timeouts, error) {
	if err := v.read("IPVS.Timeouts"); err != nil {
		return ipvs.Timeouts{}, err
	}
	return v.IPVS.Timeouts(ctx)
}

func (v recIPVS) SetTimeouts(ctx context.Context, t ipvs.Timeouts) error {
	return v.edit("IPVS.SetTimeouts", "ipvsadm --set "+timeoutsText(t), func() error { return v.IPVS.SetTimeouts(ctx, t) })
}

// Apply hands on as one batch the commands that may succeed; as in the kernel, one
// that is refused stops none behind it.
func (v recIPVS) Apply(ctx context.Context, commands []ipvs.Command) (int, error) {
	var admitted []ipvs.Command
	var index []int // of the admitted commands
	first, refused := len(commands), error(nil)
	for i, c := range commands {
		err := v.admit("IPVS.Apply", c.Ipvsadm())
		if err == nil {
			admitted, index = append(admitted, c), append(index, i)
		} else if refused == nil {
			first, refused = i, err
		}
	}
	if len(admitted) == 0 && refused != nil {
		return 0, &ipvs.CommandError{Index: 0, Command: commands[0], Err: refused}
	}
	done, err := v.IPVS.Apply(ctx, admitted)
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
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, c := range commands {
		v.log = append(v.log, c.Ipvsadm())
	}
}

type recFirewall struct {
	*Recorder
	host.Firewall
}

func (v recFirewall) Gates(ctx context.Context) ([]host.Gate, error) {
	if err := v.read("Firewall.Gates"); err != nil {
		return nil, err
	}
	return v.Firewall.Gates(ctx)
}

func (v recFirewall) Set(ctx context.Context, gate string, openings []host.Opening) error {
	var texts []string
	for _, o := range openings {
		texts = append(texts, o.String())
	}
	command := fmt.Sprintf("%s: open %q for { %s }", v.Name(), gate, strings.Join(texts, ", "))
	return v.edit("Firewall.Set", command, func() error { return v.Firewall.Set(ctx, gate, openings) })
}
