package doctor

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"strings"

	"github.com/lvsdr/toolkit/lvsdr/host"
)

// effective is a setting of net.ipv4.conf as the kernel takes it on an interface:
// the larger of all's value and the interface's own (IN_DEV_MAXCONF in
// include/linux/inetdevice.h). So it takes arp_ignore, arp_announce and rp_filter.
type effective struct {
	name, link string
	all, own   string
	value      string
}

func (e *Exam) effective(name, link string) (effective, error) {
	v := effective{name: name, link: link}
	var err error
	if v.all, err = e.Host.Sysctl.Get("net/ipv4/conf/all/" + name); err != nil {
		return v, err
	}
	v.own, err = e.Host.Sysctl.Get("net/ipv4/conf/" + link + "/" + name)
	if errors.Is(err, fs.ErrNotExist) { // the interface has gone, or has no IPv4
		v.own, err = "0", nil
	}
	v.value = larger(v.all, v.own)
	return v, err
}

func (v effective) String() string {
	return fmt.Sprintf("%s counts as %s on %s (the larger of conf.all's %s and conf.%s's %s)",
		v.name, v.value, v.link, v.all, v.link, v.own)
}

// countAs is the command that makes it count as wanted on its interface: on a host that
// lvsdr set up as set-up does, on another without a change to other interfaces, whose
// neighbours may be served just because of what they have.
func (e *Exam) countAs(v effective, want string) (string, error) {
	ours, err := e.WasSetUp()
	if ours || larger(v.all, want) != want {
		return v.command(want), err
	}
	return sysctlCommand(want, "net/ipv4/conf/"+v.link+"/"+v.name), err
}

// command makes it count as wanted: by all's value, and by the interface's own where
// that would defeat it.
func (v effective) command(want string) string {
	keys := []string{"net/ipv4/conf/all/" + v.name}
	if larger(want, v.own) != want {
		keys = append(keys, "net/ipv4/conf/"+v.link+"/"+v.name)
	}
	return sysctlCommand(want, keys...)
}

// sysctlCommand sets keys, written with slashes, to one value.
func sysctlCommand(value string, keys ...string) string {
	command := "sysctl -w"
	for _, key := range keys {
		command += " " + host.ShellWord(host.SysctlName(key)+"="+value)
	}
	return command
}

// forwards tells whether the host forwards packets of the address's family.
func (e *Exam) forwards(family netip.Addr) (bool, error) {
	key := host.IPForward
	if family.Is6() {
		key = "net/ipv6/conf/all/forwarding"
	}
	v, err := e.Host.Sysctl.Get(key)
	return v != "0" && err == nil, err
}

// commands joins shell commands of which each needs the one before; empty ones are
// left out.
func commands(all ...string) string {
	var some []string
	for _, c := range all {
		if c != "" {
			some = append(some, c)
		}
	}
	return strings.Join(some, " && ")
}
