//go:build linux

package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"sync"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/linux"
)

// A Host is one machine of the lab.
type Host struct {
	Name string
	IPv4 netip.Prefix     // its first IPv4 address on eth0, invalid when it has none
	IPv6 netip.Prefix     // its first IPv6 address there
	MAC  net.HardwareAddr // of eth0

	ns *namespaces

	mu      sync.Mutex
	servers []io.Closer
}

func newHost(of *origin, name string) (*Host, error) {
	if len(name) == 0 || len(name) > 15 { // IFNAMSIZ less the NUL
		return nil, fmt.Errorf("the name %q has %d bytes: 1 to 15", name, len(name))
	}
	h := &Host{Name: name}
	ns, err := newNamespaces(func() error {
		if err := unix.Sethostname([]byte(name)); err != nil {
			return err
		}
		if err := privateFiles(of, name); err != nil {
			return err
		}
		mountSys()
		for key, value := range of.sysctls {
			if err := writeSysctl(key, value); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	h.ns = ns
	return h, nil
}

// mountSys mounts a /sys that shows this network namespace's interfaces. In a user
// namespace on a machine that masks parts of /sys the kernel refuses; the machine's
// own stays.
func mountSys() {
	unix.Mount("sysfs", "/sys", "sysfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "")
}

// defaults returns the sysctls LVS is about that a new host has otherwise than the
// kernel starts with, and what that is. A new network namespace takes those of IPv4
// over from the machine, which may be a router (Documentation/networking/
// ip-sysctl.rst, devconf_inherit_init_net); the calling thread's must be a new one.
func defaults() (map[string]string, error) {
	all := map[string]string{"net/ipv4/ip_forward": "0"}
	for _, conf := range []string{"all", "default"} {
		for key, value := range map[string]string{
			"arp_ignore": "0", "arp_announce": "0", "arp_notify": "0", "rp_filter": "0",
			"accept_local": "0", "send_redirects": "1", "route_localnet": "0",
		} {
			all["net/ipv4/conf/"+conf+"/"+key] = value
		}
	}
	for key, value := range all {
		now, err := os.ReadFile("/proc/sys/" + key)
		if err != nil {
			return nil, err
		}
		if strings.TrimSpace(string(now)) == value {
			delete(all, key)
		}
	}
	return all, nil
}

// connect plugs the host into the bridge and gives eth0 its addresses. The number
// makes its MAC address, 02:00:00:00:00:01 and up (locally administered).
func (h *Host) connect(b *bridge, number int, addresses []netip.Prefix) error {
	h.MAC = net.HardwareAddr{2, 0, 0, 0, byte(number >> 8), byte(number)}
	if err := b.plug(h.Name, h.MAC, h.ns); err != nil {
		return fmt.Errorf("plugging eth0 into the bridge: %w", err)
	}
	return h.Do(func() error { return h.configure(addresses) })
}

func (h *Host) configure(addresses []netip.Prefix) error {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return err
	}
	if err := netlink.LinkSetUp(lo); err != nil {
		return err
	}
	eth0, err := netlink.LinkByName("eth0")
	if err != nil {
		return err
	}
	_, err = os.Stat("/proc/sys/net/ipv6/conf/eth0")
	ipv6 := err == nil
	if ipv6 {
		// Its link-local address is added below, since one made by the kernel would
		// be tentative for a second or two.
		if err := netlink.LinkSetIP6AddrGenMode(eth0, 1 /* IN6_ADDR_GEN_MODE_NONE */); err != nil {
			return err
		}
		addresses = append([]netip.Prefix{linkLocal(h.MAC)}, addresses...)
	}
	if err := netlink.LinkSetUp(eth0); err != nil {
		return err
	}
	for _, a := range addresses {
		if a.Addr().Is6() && !ipv6 {
			continue
		}
		if err := h.addAddress(eth0, a); err != nil {
			return fmt.Errorf("address %s: %w", a, err)
		}
	}
	return nil
}

func (h *Host) addAddress(link netlink.Link, p netip.Prefix) error {
	addr := &netlink.Addr{IPNet: &net.IPNet{
		IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen()),
	}}
	switch {
	case p.Addr().Is4() && !h.IPv4.IsValid():
		h.IPv4 = p
	case p.Addr().Is6() && !p.Addr().IsLinkLocalUnicast() && !h.IPv6.IsValid():
		h.IPv6 = p
	}
	if p.Addr().Is6() {
		addr.Flags = unix.IFA_F_NODAD // usable at once
	} else {
		addr.Broadcast = broadcast(p)
	}
	return netlink.AddrAdd(link, addr)
}

// broadcast is the last address of an IPv4 network.
func broadcast(p netip.Prefix) net.IP {
	b := p.Addr().As4()
	for i := p.Bits(); i < 32; i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	return b[:]
}

// linkLocal is the address that RFC 4291, appendix A, derives from a MAC address.
func linkLocal(mac net.HardwareAddr) netip.Prefix {
	a := [16]byte{0xfe, 0x80, 8: mac[0] ^ 2, 9: mac[1], 10: mac[2], 11: 0xff, 12: 0xfe, 13: mac[3], 14: mac[4], 15: mac[5]}
	return netip.PrefixFrom(netip.AddrFrom16(a), 64)
}

// Do calls f on the host: on a fresh thread in its namespaces, with its /etc,
// /var/lib and /run. What f opens there (sockets, files) stays the host's wherever
// it is used. It does not reach goroutines that f starts, nor /proc/self and
// /proc/net, which are the whole process's: use /proc/thread-self. In a test, f
// reports with t.Error or an error, not with t.Fatal.
func (h *Host) Do(f func() error) error { return h.ns.do(f) }

// LVS is the host as the roles of package lvsdr see it, for a program that sets
// up lab hosts without a process on each. It may be used from any goroutine:
// every call is made on a thread inside the host.
func (h *Host) LVS() *host.Host { return linux.In(h.Do) }

// Start starts cmd on the host. The caller waits for it as usual. Pdeathsig does
// not work: the starting thread ends at once.
func (h *Host) Start(cmd *exec.Cmd) error { return h.Do(cmd.Start) }

// Run runs a program on the host and returns its stdout. An error is an
// [*ExitError] when the program ran and failed.
func (h *Host) Run(ctx context.Context, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := h.Start(cmd)
	if err == nil {
		err = cmd.Wait()
	}
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		return stdout.String(), &ExitError{Host: h.Name, Args: cmd.Args, Stderr: stderr.String(), Err: err}
	case errors.Is(err, exec.ErrNotFound):
		return "", fmt.Errorf("on %s: %w", h.Name, errors.Join(fs.ErrNotExist, err))
	case err != nil:
		return stdout.String(), fmt.Errorf("on %s: %s: %w", h.Name, name, err)
	}
	return stdout.String(), nil
}

// An ExitError is a program that failed on a host.
type ExitError struct {
	Host   string
	Args   []string
	Stderr string
	Err    error // an *exec.ExitError
}

func (e *ExitError) Error() string {
	s := fmt.Sprintf("on %s: %s: %v", e.Host, strings.Join(e.Args, " "), e.Err)
	if e.Stderr != "" {
		s += ": " + strings.TrimSpace(e.Stderr)
	}
	return s
}

func (e *ExitError) Unwrap() error { return e.Err }
