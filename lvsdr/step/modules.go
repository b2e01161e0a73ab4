package step

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/ipvs"
)

// Modules is the name of the step that has ip_vs and the schedulers loaded.
const Modules = "modules"

// ModulesLoad is the file that has the modules loaded at boot (modules-load.d(5)),
// before the sysctls, some of which come with ip_vs.
const ModulesLoad = "/etc/modules-load.d/lvsdr.conf"

// DirectorModules is the step that has ip_vs and the schedulers loaded, now and
// at boot. Planning it fails with [host.ErrNoIPVS] when the kernel cannot have IPVS.
//
// A scheduler is loaded before a service needs it: were the kernel to load it
// while adding the service, it could lock up against a network namespace that
// goes away. At teardown the modules stay: other network namespaces and programs
// may use them.
//
// The module's option goes before all, so that a module not loaded yet has it at once.
func DirectorModules(c cluster.Config) Step { return modules{c.Schedulers(), c.Tuning.ConnTabBits} }

// ModuleOptions is the file that has ip_vs loaded with the options of the description
// (modprobe.d(5)); there is none where there are none.
const ModuleOptions = "/etc/modprobe.d/lvsdr.conf"

type modules struct {
	schedulers  []string
	connTabBits int // 0: left to the kernel
}

func (m modules) Name() string { return Modules }

func (m modules) Plan(ctx context.Context, h *host.Host, want State) ([]Change, error) {
	file := OwnFile{Name: ModulesLoad, Role: cluster.DirectorRole, Step: m.Name()}
	changes, err := m.options(h, want)
	if err != nil {
		return nil, err
	}
	if want == Absent {
		atBoot, err := file.Absent(h)
		return append(atBoot, changes...), err
	}
	if !h.Image {
		loads, err := m.load(ctx, h)
		if err != nil {
			return nil, err
		}
		changes = append(changes, loads...)
	}
	atBoot, err := file.present(h, m.atBoot(), func() (string, error) { return m.atBoot(), nil })
	return append(changes, atBoot...), err
}

// options plans the file of the module's options. What a loaded module has stays until it
// is loaded anew: it cannot be changed in place.
func (m modules) options(h *host.Host, want State) ([]Change, error) {
	file := OwnFile{Name: ModuleOptions, Role: cluster.DirectorRole, Step: m.Name(), Optional: true}
	if want == Absent || m.connTabBits == 0 {
		return file.Absent(h)
	}
	option := fmt.Sprintf("conn_tab_bits=%d", m.connTabBits)
	changes, err := file.Present(h, "# Written by lvsdr for a director: the rows of IPVS's table of connections, 2^n.\n"+
		"# \"lvsdr teardown director\" removes this file.\noptions ip_vs "+option+"\n")
	if err != nil || h.Image {
		return changes, err
	}
	loaded, err := h.Modules.Loaded(ipvs.Module)
	if err != nil || !loaded {
		return changes, err
	}
	for i := range changes {
		changes[i].To = option + ", which takes a reboot: ip_vs is loaded"
	}
	return changes, nil
}

func (m modules) load(ctx context.Context, h *host.Host) ([]Change, error) {
	var changes []Change
	for _, name := range m.names() {
		loaded, err := h.Modules.Loaded(name)
		if err != nil {
			return nil, err
		}
		if loaded {
			continue
		}
		if err := h.Modules.Find(ctx, name); err != nil {
			return nil, missingModule(name, err)
		}
		changes = append(changes, Change{Step: m.Name(), Op: Add, Object: "module " + name,
			Do: func(ctx context.Context) error { return h.Modules.Load(ctx, name) }})
	}
	return changes, nil
}

func (m modules) names() []string {
	names := []string{ipvs.Module}
	for _, s := range m.schedulers {
		names = append(names, ipvs.SchedulerModule(s))
	}
	return names
}

func (m modules) atBoot() string {
	return "# Written by lvsdr for a director: IPVS and the schedulers of its services.\n" +
		"# \"lvsdr teardown director\" removes this file.\n" +
		strings.Join(m.names(), "\n") + "\n"
}

// missingModule says what the kernel lacks for want of the module.
func missingModule(name string, err error) error {
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if name == ipvs.Module {
		return fmt.Errorf("%w: %w", host.ErrNoIPVS, err)
	}
	return fmt.Errorf("this kernel has no scheduler %q: %w", strings.TrimPrefix(name, ipvs.SchedulerModule("")), err)
}

// ModuleNames are the modules that the director of the cluster needs, that of IPVS first.
func ModuleNames(c cluster.Config) []string { return modules{schedulers: c.Schedulers()}.names() }
