package doctor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/ipvs"
	"github.com/lvsdr/toolkit/lvsdr/probe"
)

// surveyTime is how long the LAN is listened to and silence is waited for. A proxy's
// answer may take 0.8 s.
const surveyTime = time.Second

// mostServices is how many services of one real server are knocked at: a few frames
// a host are no attack, and what keeps one of them from being served mostly keeps
// all.
const mostServices = 4

// A survey is what the LAN has told, asked once for all checks on the wire.
type survey struct {
	vips    []*vipSeen
	servers []*serverSeen
	paths   []*pathSeen
	skipped int  // services of real servers beyond mostServices
	client  bool // it is asked from a client
}

// A vipSeen is a VIP and who says to have it.
type vipSeen struct {
	addr netip.Addr
	link host.Link // on its LAN
	err  error     // why there is no such link
	// gateway leads from a client to a VIP that is not on a LAN of its own; invalid: none.
	gateway netip.Addr
	source  netip.Addr      // this host's own address there; invalid: it has none
	mine    bool            // this host has the VIP itself
	before  *host.Neighbour // the kernel's entry, before anybody was asked
	// probed and asked answered a probe, and a question from source.
	probed, asked []probe.Answer
	claims        []probe.Claim
	balancers     []net.HardwareAddr // see tryClaimants
}

// A serverSeen is a real server of the configuration.
type serverSeen struct {
	rip           netip.Addr
	route         host.Route
	err           error // there is no route
	link          host.Link
	source        netip.Addr // this host's own address on its LAN; invalid: it has none
	before        *host.Neighbour
	probed, asked []probe.Answer
	// pinged is whence a ping to everybody was answered, which only those get that do
	// not answer ARP.
	pinged net.HardwareAddr
	mac    net.HardwareAddr // where it is knocked at, nil when it was not found
}

// near tells whether the real server is on a LAN of this host.
func (s *serverSeen) near() bool {
	return s.err == nil && !s.route.Local && !s.route.Gateway.IsValid() && usable(s.link)
}

// A pathSeen is one service at one real server: what came of a packet for the VIP
// sent to its MAC address, and, where that was not an answer, of others.
type pathSeen struct {
	id     ipvs.ID
	server *serverSeen
	reply  probe.Reply
	// own is the port at the RIP, vip and rip are pings; the zero Reply: not tried.
	own, vip, rip probe.Reply
}

// pathsTo are the paths to some real servers.
func (s *survey) pathsTo(servers []*serverSeen) (paths []*pathSeen) {
	among := make(map[*serverSeen]bool, len(servers))
	for _, r := range servers {
		among[r] = true
	}
	for _, p := range s.paths {
		if among[p.server] {
			paths = append(paths, p)
		}
	}
	return paths
}

// usable tells whether somebody can be met on an interface.
func usable(l host.Link) bool { return l.Up && !l.NoARP }

func (s *survey) vip(addr netip.Addr) *vipSeen {
	return s.vips[slices.IndexFunc(s.vips, func(v *vipSeen) bool { return v.addr == addr })]
}

// whose returns the real server that a MAC address belongs to, by its address of
// like's family where it has one; nil when it is nobody's.
func (s *survey) whose(mac net.HardwareAddr, like netip.Addr) (found *serverSeen) {
	for _, r := range s.servers {
		mine := bytes.Equal(r.mac, mac) || answered(r.probed, mac)
		if mine && (found == nil || found.rip.Is4() != like.Is4()) {
			found = r
		}
	}
	return found
}

func answered(by []probe.Answer, mac net.HardwareAddr) bool {
	return slices.ContainsFunc(by, func(a probe.Answer) bool { return bytes.Equal(a.MAC, mac) })
}

// name is a MAC address with the real server it belongs to.
func (s *survey) name(mac net.HardwareAddr, like netip.Addr) string {
	if r := s.whose(mac, like); r != nil {
		return fmt.Sprintf("%s (%s)", r.rip, mac)
	}
	return mac.String()
}

// ErrPassive: the LAN was to be asked in an exam that puts nothing on the wire.
var ErrPassive = errors.New("nothing is put on the wire (--passive)")

// survey asks the LAN everything that the checks on the wire want to know.
func (e *Exam) survey(ctx context.Context) (*survey, error) {
	if e.Passive {
		return nil, ErrPassive
	}
	if e.ran != nil {
		return e.ran.survey(ctx)
	}
	return e.seen.survey.get(ctx, func() (*survey, error) {
		s, err := e.prepare(ctx)
		if err != nil {
			return nil, err
		}
		var looks []func() error
		for _, link := range s.links() {
			looks = append(looks, func() error { return e.lookAt(ctx, s, link) })
		}
		if err := together(looks...); err != nil {
			return s, err
		}
		return s, e.tryClaimants(ctx, s)
	})
}

// links are the interfaces that somebody is to be met on.
func (s *survey) links() []string {
	var names []string
	for _, v := range s.vips {
		if v.err == nil && usable(v.link) {
			names = append(names, v.link.Name)
		}
	}
	for _, r := range s.servers {
		if r.near() {
			names = append(names, r.link.Name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// together runs functions side by side and returns their errors.
func together(functions ...func() error) error {
	errs := make([]error, len(functions))
	var all sync.WaitGroup
	for i, f := range functions {
		all.Add(1)
		go func() {
			defer all.Done()
			errs[i] = f()
		}()
	}
	all.Wait()
	return errors.Join(errs...)
}
