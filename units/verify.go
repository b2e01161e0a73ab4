package units

import (
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/coreos/go-systemd/v22/unit"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/step"
)

// The units beside that of the role, which wants them and takes them along when it is
// stopped: a set-up that is run again (VerifyService), every so often (VerifyTimer) and
// when the description of the cluster or the network has changed (PathUnit, which has
// ChangedService start it).
const (
	VerifyService  = "lvsdr-verify.service"
	VerifyTimer    = "lvsdr-verify.timer"
	PathUnit       = "lvsdr.path"
	ChangedService = "lvsdr-changed.service"
)

// DefaultVerify is how often a host is brought back to its role, where the flag --verify
// does not say.
const DefaultVerify = time.Minute

// A Helper is one of the units beside that of the role. Without Content the role does
// not want it.
type Helper struct {
	Name    string
	Content []byte
}

// Helpers returns the units beside that of the role. It fails as [Render] does, and when
// --verify is no duration.
func (u Unit) Helpers() ([]Helper, error) {
	if err := u.check(); err != nil {
		return nil, err
	}
	every, err := u.verify()
	if err != nil {
		return nil, err
	}
	helpers := []Helper{{Name: VerifyService}, {Name: VerifyTimer}, {Name: ChangedService}, {Name: PathUnit}}
	parts := [][]*unit.UnitOption{nil, nil, nil, u.path(every)}
	if every > 0 {
		parts[1] = u.verifyTimer(every)
	}
	if parts[3] != nil {
		parts[2] = u.changedService()
	}
	if parts[1] != nil || parts[3] != nil {
		parts[0] = u.verifyService()
	}
	for i, part := range parts {
		if part == nil {
			continue
		}
		body, err := io.ReadAll(unit.Serialize(part))
		if err != nil {
			return nil, err
		}
		helpers[i].Content = append([]byte(header), body...)
	}
	return helpers, nil
}

// wanted are the helpers that the role's unit starts.
func (u Unit) wanted() (names []string, err error) {
	every, err := u.verify()
	if every > 0 {
		names = append(names, VerifyTimer)
	}
	if u.path(every) != nil {
		names = append(names, PathUnit)
	}
	return names, err
}

// value is that of a flag among the arguments, the last one.
func (u Unit) value(flag string) (value string, given bool) {
	for i, arg := range u.Args {
		if v, ok := strings.CutPrefix(arg, flag+"="); ok {
			value, given = v, true
		} else if arg == flag && i+1 < len(u.Args) {
			value, given = u.Args[i+1], true
		}
	}
	return value, given
}

// verify is how often the timer runs, 0: never.
func (u Unit) verify() (time.Duration, error) {
	text, given := u.value("--verify")
	if !given {
		return DefaultVerify, nil
	}
	every, err := ParseVerify(text)
	if err != nil {
		return 0, fmt.Errorf("units: --verify %s: %w", text, err)
	}
	return every, nil
}

// ParseVerify reads the value of --verify.
func ParseVerify(text string) (time.Duration, error) {
	every, err := time.ParseDuration(text)
	if err == nil && every != 0 && every < time.Second {
		err = fmt.Errorf("at least a second is wanted, or 0 for never")
	}
	return every, err
}

// config is the file that describes the cluster, empty where it is none, or one whose
// name a path unit cannot hold.
func (u Unit) config() string {
	file, given := u.value("--config")
	if !given && !slices.ContainsFunc(u.Args, func(arg string) bool {
		return arg == "--vip" || strings.HasPrefix(arg, "--vip=")
	}) {
		file = ConfigFile
	}
	if !path.IsAbs(file) || strings.TrimSpace(file) != file || strings.ContainsFunc(file, unicode.IsControl) {
		return ""
	}
	return file
}

// about begins a helper: it is stopped with the role's unit, and has no say in the order
// of the boot.
func (u Unit) about(description string, more ...string) []*unit.UnitOption {
	return options("Unit", append([]string{
		"Description", description,
		"Documentation", "https://github.com/lvsdr/toolkit",
		"PartOf", path.Base(step.UnitFile(u.Role)),
	}, more...)...)
}

// verifyService runs set-up as the role's unit says, which it reads. Its log has what was changed, and
// what systemd says of each run only when it fails.
func (u Unit) verifyService() []*unit.UnitOption {
	name := path.Base(step.UnitFile(u.Role))
	return slices.Concat(
		u.about("LVS "+spoken(u.Role)+", brought back to what is described", "After", name,
			"StartLimitIntervalSec", "0"), // as often as changedService asks
		options("Service",
			"Type", "oneshot",
			"ExecStart", commandLine(u.Binary, []string{"setup", u.Role, "--runtime", "--reassert"}),
			"TimeoutStartSec", "3min",
			"SyslogLevel", "notice",
			"LogLevelMax", "notice",
		),
		u.sandbox())
}

func (u Unit) verifyTimer(every time.Duration) []*unit.UnitOption {
	seconds := fmt.Sprintf("%.0fs", every.Seconds())
	return append(u.about("LVS "+spoken(u.Role)+": brought back to what is described every "+every.String()),
		options("Timer", "OnActiveSec", seconds, "OnUnitInactiveSec", seconds, "AccuracySec", "1s")...)
}

// networkState are the folders in which networkd, NetworkManager and ifupdown write what
// they have made of the interfaces, whenever they have: they may have taken away what is
// not theirs.
var networkState = []string{"/run/systemd/netif/links", "/run/NetworkManager/devices", "/run/network"}

// changedService starts VerifyService, once the run at work has ended: that may have looked
// before the change. While the service of a path unit runs, systemd does not watch, and what
// is written then starts nothing (path_enter_running in systemd's core/path.c). So it is this
// one, which ends at once, and not the set-up, whose second look comes after it.
func (u Unit) changedService() []*unit.UnitOption {
	return slices.Concat(
		u.about("LVS "+spoken(u.Role)+": its description or the network has changed", "After", VerifyService,
			"StartLimitIntervalSec", "0"), // the network's managers write often, at boot
		options("Service",
			"Type", "oneshot",
			"ExecStart", "/bin/systemctl --no-block start "+VerifyService,
			"SyslogLevel", "notice",
			"LogLevelMax", "notice",
		),
		u.sandbox())
}

// path watches the file that describes the cluster and, where the host is verified at
// all, the network's managers; nil where there is nothing to watch.
func (u Unit) path(every time.Duration) []*unit.UnitOption {
	var watched []*unit.UnitOption
	if file := u.config(); file != "" {
		watched = options("Path", "PathChanged", strings.ReplaceAll(file, "%", "%%"))
	}
	for _, folder := range networkState {
		if every > 0 {
			watched = append(watched, options("Path", "PathChanged", folder)...)
		}
	}
	if watched == nil {
		return nil
	}
	return slices.Concat(u.about("LVS "+spoken(u.Role)+": changes of its description and of the network"),
		watched, options("Path", "Unit", ChangedService))
}

// spoken is a role in a sentence.
func spoken(role string) string {
	if role == cluster.RealServerRole {
		return "real server"
	}
	return role
}
