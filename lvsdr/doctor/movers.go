package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"slices"

	"github.com/lvsdr/toolkit/lvsdr/boot"
	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/step"
)

// vipMovers are programs that give a director its VIPs and take them away again.
var vipMovers = []string{"keepalived", "pacemakerd", "corosync", "heartbeat", "ucarp", "vrrpd", "wackamole"}

// A mover is a program that runs here and decides where a VIP is.
type mover struct {
	name  string // empty: none does
	unit  string // whose log tells of it
	holds string // what else of the VIP's instance it holds here, which makes it the master
}

// moverOf is the mover of a VIP. keepalived is one of those in its configuration, where
// that is in its usual place; what the others move is not known.
func (e *Exam) moverOf(ctx context.Context, vip netip.Addr) (mover, error) {
	if own, err := e.ownMover(ctx); own.name != "" || err != nil {
		return own, err
	}
	running, err := e.Processes(ctx)
	if err != nil && !errors.Is(err, host.ErrNoView) {
		return mover{}, err
	}
	for _, name := range running {
		if !slices.Contains(vipMovers, name) {
			continue
		}
		if name != boot.Keepalived {
			return mover{name: name, unit: name}, nil
		}
		if m, err := e.keepalivedMoves(ctx, vip); m.name != "" || err != nil {
			return m, err
		}
	}
	return mover{}, nil
}

// keepalivedMoves tells whether keepalived moves a VIP, and whether it is the master of
// the VIP's instance.
func (e *Exam) keepalivedMoves(ctx context.Context, vip netip.Addr) (mover, error) {
	m := mover{name: boot.Keepalived, unit: boot.Keepalived}
	instances, err := boot.KeepalivedInstances(e.Host.Files)
	if errors.Is(err, fs.ErrNotExist) {
		return m, nil // it was told another file
	}
	if err != nil {
		return mover{}, err
	}
	i := slices.IndexFunc(instances, func(i boot.KeepalivedInstance) bool { return slices.Contains(i.Addresses, vip) })
	if i < 0 {
		return mover{}, nil
	}
	for _, a := range instances[i].Addresses {
		at, err := e.AddressesOf(ctx, a)
		if err != nil {
			return mover{}, err
		}
		if a != vip && len(at) > 0 {
			m.holds = fmt.Sprintf("%s of the same instance (%s)", a, instances[i].Name)
		}
	}
	return m, nil
}

// ownMover is the keepalived of lvsdr's own that moves all VIPs, while it runs.
func (e *Exam) ownMover(ctx context.Context) (mover, error) {
	if !e.movesVIPs() {
		return mover{}, nil
	}
	state, err := step.VRRPState(ctx, e.Host)
	if err != nil || state == "" || state == step.VRRPStopped {
		return mover{}, err
	}
	m := mover{name: "lvsdr's " + boot.Keepalived, unit: "lvsdr-vrrp"}
	if state == step.VRRPPartly {
		m.holds = "others of the VIPs"
	}
	return m, nil
}

// movesVIPs tells whether this is a director, and VRRP moves its VIPs.
func (e *Exam) movesVIPs() bool {
	return e.Config.VRRP != nil && e.Role == cluster.DirectorRole
}
