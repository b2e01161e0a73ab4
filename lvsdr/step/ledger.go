package step

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lvsdr/toolkit/lvsdr/host"
)

// ledgerDir lives in /run because the ledger describes the running kernel's
// state (addresses, the IPVS table, live sysctls) and must not outlive it.
const ledgerDir = "/run/lvsdr"

// ledgerLock is where the writers of all ledgers of a host meet. A writer has it for
// one change of a file, so that it is waited for within [host.Host.Lock].
const ledgerLock = ledgerDir + "/.ledger"

// ledgerPatience is how long a writer waits for others.
const ledgerPatience = 10 * time.Second

// A Ledger holds what was there before a role's first change, for steps that cannot
// read it off a mark of their own at teardown.
//
// It has one line a thing, with a key and the value before; an empty value means that
// there was nothing. A key begins with the name of its step and a space, that of an
// [OwnFile] with "made for ".
//
// A step writes the line before it makes the change, so that a set-up killed in between
// leaves at worst a line too many, and strikes it out when the value is restored. What
// a step leaves, the role strikes out when the step has nothing more to undo. The
// role's own line is there from before its first change to after its last, so that a
// ledger without other lines is not taken for one that was lost.
//
// Everybody may read it, so that a plan needs no rights; those who write it at once
// wait for each other.
type Ledger struct {
	files host.Files
	name  string
}

// LedgerOf returns the ledger of a role on this host, that of a role without a name
// too.
func LedgerOf(h *host.Host, role string) Ledger {
	return Ledger{h.Files, ledgerDir + "/" + cmp.Or(role, "other")}
}

// Read returns all lines, an empty map when there is no ledger.
func (l Ledger) Read() (map[string]string, error) { return l.read("") }

// read returns the lines whose key begins with prefix, without it.
func (l Ledger) read(prefix string) (map[string]string, error) {
	data, err := l.files.ReadFile(l.name)
	if errors.Is(err, fs.ErrNotExist) {
		return map[string]string{}, nil
	}
	if err != nil {
		return nil, err
	}
	text := string(data)
	room := 0
	if prefix == "" {
		room = strings.Count(text, "\n")
	}
	lines := make(map[string]string, room)
	for line := range strings.Lines(text) {
		key, before, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		if ok && strings.HasPrefix(before, `"`) {
			before, err = strconv.Unquote(before)
		}
		if !ok || err != nil {
			return nil, fmt.Errorf("%s: damaged line %q: remove the file to go on without it", l.name, line)
		}
		if key, ok := strings.CutPrefix(key, prefix); ok {
			lines[key] = before
		}
	}
	return lines, nil
}

// ReadStep returns the lines of one step, their keys without its name and the space.
func (l Ledger) ReadStep(name string) (map[string]string, error) { return l.read(name + " ") }

// Remember writes down what was there before. A key that is already known keeps
// its first value.
func (l Ledger) Remember(before map[string]string) error {
	for key := range before {
		if strings.ContainsAny(key, "\t\n") {
			return fmt.Errorf("%s: key %q: a key has no tab and no line break", l.name, key)
		}
	}
	return l.change(func(lines map[string]string) {
		for key, value := range before {
			if _, ok := lines[key]; !ok {
				lines[key] = value
			}
		}
	})
}

// Forget strikes keys out, and removes the ledger with its last line. Without keys it
// only takes away what a killed writer has left.
func (l Ledger) Forget(keys ...string) error {
	if len(keys) == 0 {
		return l.change(nil)
	}
	return l.change(func(lines map[string]string) {
		for _, key := range keys {
			delete(lines, key)
		}
	})
}

// ForgetStep strikes out all lines of one step.
func (l Ledger) ForgetStep(name string) error {
	return l.change(func(lines map[string]string) {
		maps.DeleteFunc(lines, func(key, _ string) bool { return strings.HasPrefix(key, name+" ") })
	})
}

// change adds lines or takes some away, as the only writer.
func (l Ledger) change(edit func(lines map[string]string)) error {
	unlock, err := l.lock()
	if err != nil {
		return err
	}
	defer unlock()
	if edit == nil {
		return nil
	}
	lines, err := l.Read()
	if err != nil {
		return err
	}
	known := len(lines)
	edit(lines)
	if len(lines) == known {
		return nil
	}
	return l.write(lines)
}

func (l Ledger) lock() (unlock func(), err error) {
	for begun := time.Now(); ; time.Sleep(time.Millisecond) {
		unlock, err := l.files.Lock(ledgerLock)
		if !errors.Is(err, host.ErrLocked) {
			return unlock, err
		}
		if time.Since(begun) > ledgerPatience {
			return nil, fmt.Errorf("%s: %w for more than %v", ledgerLock, err, ledgerPatience)
		}
	}
}

func (l Ledger) write(lines map[string]string) error {
	if len(lines) == 0 {
		return l.files.Remove(l.name)
	}
	keys, room := make([]string, 0, len(lines)), 0
	for key, value := range lines {
		keys, room = append(keys, key), room+len(key)+len("\t")+len(value)+len("\n")
	}
	slices.Sort(keys)
	if i := slices.Index(keys, roleKey); i >= 0 { // at the end, so that what was cut off is missed
		keys = append(slices.Delete(keys, i, i+1), roleKey)
	}
	text := make([]byte, 0, room)
	for _, key := range keys {
		value := lines[key]
		if strings.ContainsAny(value, "\r\n") || strings.HasPrefix(value, `"`) {
			value = strconv.Quote(value)
		}
		text = append(append(append(append(text, key...), '\t'), value...), '\n')
	}
	return l.files.WriteFile(l.name, text, 0o644)
}

// roleKey is the role's own line.
const roleKey = "role"

// lastingKey is there when the role is to come back after a reboot: what says so in
// /etc may be taken away by hand.
const lastingKey = roleKey + " lasting"

// Open writes the role's own line, and whether it is to come back after a reboot.
func (l Ledger) Open(lasting bool) error {
	lines := map[string]string{roleKey: ""}
	if lasting {
		lines[lastingKey] = ""
	}
	return l.Remember(lines)
}

// Close strikes it out, and leaves nothing behind: no half-written ledger of a
// killed process, no folder that nobody needs.
func (l Ledger) Close() error {
	if err := l.Forget(roleKey, lastingKey); err != nil {
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
// outlives reboots, but has no ledger, or not all of one: then the configuration is the
// only guide.
func lostLedger(h *host.Host, role string) bool {
	lines, err := LedgerOf(h, role).read(roleKey)
	if err != nil {
		return false // which is told where it is read
	}
	if _, whole := lines[""]; whole {
		return false
	}
	_, err = h.Files.ReadFile(DropInFile(role))
	return err == nil
}
