package lvsdrtest

import (
	"fmt"
	"sync"

	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/ipvs"
)

// A World is a host in memory. Its Host has every view; they may be used by
// several goroutines at once. Everything done through the Host is counted and
// logged by the embedded [Recorder], which can also make it fail; what [World.Run]
// does is not.
type World struct {
	*Recorder
	mu sync.Mutex
	state
}

// state is what the kernel and the disk know. Its methods are the kernel's
// semantics, without locks, counters and injected failures.
type state struct {
	nodes     map[string]node   // the file system, by clean absolute name
	locks     map[string]bool   // of Files.Lock, by name
	sysctls   map[string]string // by key with slashes
	modules   map[string]module
	links     []host.Link
	addresses []host.Address // in the kernel's order: of one subnet and mask, the first is the primary
	routes    []route
	services  []service
	timeouts  timeouts
	daemons   []ipvs.Daemon
	firewalls []*firewall
	watch     watch
	vrrp      vrrp
	observed
	neighbourhood
}

// New returns a world that has a loopback interface, an empty file system with
// the usual directories, the modules of a distribution's kernel to load, and an
// nftables and an iptables without a rule; then it runs the commands in it (see
// [World.Run]). It panics when a command is wrong, as it is the test that is
// wrong then.
func New(commands ...string) *World {
	w := &World{state: state{
		nodes:   map[string]node{},
		locks:   map[string]bool{},
		sysctls: map[string]string{},
		modules: map[string]module{},
	}}
	w.makeDirectories()
	w.makeSysctls()
	w.makeModules()
	w.makeLink(host.Link{Name: "lo", Loopback: true})
	w.timeouts = defaultTimeouts
	w.firewalls = []*firewall{{name: "nftables"}, {name: "iptables"}}
	w.Recorder = Record(w.views().Through(w.alone))
	for _, c := range commands {
		if err := w.Run(c); err != nil {
			panic(fmt.Sprintf("lvsdrtest.New: %v", err))
		}
	}
	return w
}

// do runs f alone in the world.
func (w *World) do(f func(*state) error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return f(&w.state)
}
