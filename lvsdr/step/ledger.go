package step

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/lvsdr/toolkit/lvsdr/host"
)

// ledgerDir lives in /run because the ledger describes the running kernel's
// state (addresses, the IPVS table, live sysctls) and must not outlive it.
const ledgerDir = "/run/lvsdr"

// A ledger holds what was there before set-up's first change, one line a thing:
// key, tab, value before. An empty value means there was nothing. A key begins
// with the name of its step and a space. A step writes the line before it makes
// the change, so that a set-up killed in between leaves at worst a line too many;
// [Role.Down] strikes out a step's lines when the step has nothing left to undo.
// The role's own line is there from before its first change to after its last,
// so that a ledger without other lines is not taken for one that was lost.
// Everybody may read it, so that a plan needs no rights.
type ledger struct {
	files host.Files
	name  string
}

// LedgerOf returns the ledger of a role on this host, that of a role without a name
// too.
func LedgerOf(h *host.Host, role string) ledger {
	return ledger{h.Files, ledgerDir + "/" + cmp.Or(role, "other")}
}

// Read returns all lines, an empty map when there is no ledger.
func (l ledger) Read() (map[string]string, error) {
	data, err := l.files.ReadFile(l.name)
	if errors.Is(err, fs.ErrNotExist) {
		return map[string]string{}, nil
	}
	if err != nil {
		return nil, err
	}
	lines := map[string]string{}
	for line := range strings.Lines(string(data)) {
		key, before, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		if !ok {
			return nil, fmt.Errorf("%s: damaged line %q: remove the file to go on without it", l.name, line)
		}
		lines[key] = before
	}
	return lines, nil
}

// remember writes down what was there before. A key that is already known keeps
// its first value.
func (l ledger) remember(before map[string]string) error {
	lines, err := l.Read()
	if err != nil {
		return err
	}
	known := len(lines)
	for key, value := range before {
		if _, ok := lines[key]; !ok {
			lines[key] = value
		}
	}
	if len(lines) == known {
		return nil
	}
	return l.write(lines)
}

// forget strikes keys out, and removes the ledger with its last line.
func (l ledger) forget(keys ...string) error {
	lines, err := l.Read()
	if err != nil {
		return err
	}
	known := len(lines)
	for _, key := range keys {
		delete(lines, key)
	}
	if len(lines) == known {
		return nil
	}
	return l.write(lines)
}

// ForgetStep strikes out all lines of a step.
func (l ledger) ForgetStep(name string) error {
	lines, err := l.Read()
	if err != nil {
		return err
	}
	var keys []string
	for key := range lines {
		if strings.HasPrefix(key, name+" ") {
			keys = append(keys, key)
		}
	}
	return l.forget(keys...)
}

func (l ledger) write(lines map[string]string) error {
	if len(lines) == 0 {
		return l.files.Remove(l.name)
	}
	var b strings.Builder
	for _, key := range slices.Sorted(maps.Keys(lines)) {
		b.WriteString(key + "\t" + lines[key] + "\n")
	}
	return l.files.WriteFile(l.name, []byte(b.String()), 0o644)
}

// roleKey is the role's own line.
const roleKey = "role"

// Open writes the role's own line.
func (l ledger) Open() error { return l.remember(map[string]string{roleKey: ""}) }

// Close strikes it out, and leaves nothing behind: no half-written ledger of a
// killed process, no folder that nobody needs.
func (l ledger) Close() error {
	if err := l.forget(roleKey); err != nil {
		return err
	}
	unfinished := host.TemporaryName(ledgerDir) // a folder that was to come with its first file
	for _, name := range []string{host.TemporaryName(l.name), path.Join(unfinished, path.Base(l.name))} {
		_, err := l.files.ReadFile(name)
		if err == nil {
			err = l.files.Remove(name)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	for _, dir := range []string{unfinished, ledgerDir} {
		names, err := l.files.ReadDir(dir)
		if err == nil && len(names) == 0 {
			err = l.files.Remove(dir)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// lostLedger tells whether the host was set up for the role, by the drop-in that
// outlives reboots, but has no ledger: then the configuration is the only guide.
func lostLedger(h *host.Host, role string) bool {
	if _, err := h.Files.ReadFile(LedgerOf(h, role).name); err == nil {
		return false
	}
	_, err := h.Files.ReadFile(SysctlDropIn(role))
	return err == nil
}
