package step

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/lvsdr/toolkit/lvsdr/host"
)

// madeMark starts a line of an own file that names a directory made for it.
const madeMark = "#lvsdr:made "

// An OwnFile is a file in /etc that belongs to one step alone and takes "#" comments:
// it is there with some content or it is gone, and the first line of it begins with
// "# Written by lvsdr": one without is somebody else's and stays. The directories that had to be made for
// it go with it, as lines "#lvsdr:made DIRECTORY" at its end tell. Nothing is planned
// for it with [host.Host.Runtime].
type OwnFile struct {
	Name string   // absolute
	Role string   // whose [Ledger] remembers the directories while the file goes: the Name of package lvsdr's Role
	Step string   // whose changes these are: [Step.Name]
	Dirs []string // further directories that are made together with the file
	// Optional: the role may be there without it.
	Optional bool
}

// ErrForeignFile: somebody else has a file of the name that set-up would write.
var ErrForeignFile = errors.New("lvsdr has not written it: move it away and set up again")

// ownMark is in the first line of every own file.
const ownMark = "# Written by lvsdr"

// foreign tells whether the text is somebody else's: lvsdr has written none of it, and the
// host does not have the role, of which somebody may have spoilt a file.
func (o OwnFile) foreign(h *host.Host, text []byte) (bool, error) {
	if len(bytes.TrimSpace(text)) == 0 || bytes.Contains(text, []byte(ownMark)) {
		return false, nil
	}
	lines, err := LedgerOf(h, o.Role).Read()
	return len(lines) == 0 || o.Optional, err
}

// Present returns the change that is due for the file to have the content, which
// ends with a newline; none when it has it, and when the lines at its end are all that
// differs.
func (o OwnFile) Present(h *host.Host, content string) ([]Change, error) {
	return o.present(h, content, func() (string, error) { return content, nil })
}

// Absent returns the change that is due for the file, what a killed write has left of
// it, and the directories made for it, to be gone.
func (o OwnFile) Absent(h *host.Host) ([]Change, error) {
	if h.Runtime {
		return nil, nil
	}
	remembered, err := o.remembered(h)
	if err != nil {
		return nil, err
	}
	due := len(remembered) > 0
	for _, name := range []string{o.Name, host.TemporaryName(o.Name)} {
		text, err := h.Files.ReadFile(name)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		if theirs, err := o.foreign(h, text); err != nil || theirs && name == o.Name {
			return nil, err
		}
		due = due || err == nil
	}
	if !due {
		return nil, nil
	}
	return []Change{{Step: o.Step, Op: Remove, Object: o.Name, Do: func(context.Context) error {
		return o.remove(h)
	}}}, nil
}

// present plans the file with content, which ends with a newline. What is written
// is what final returns when the change is made.
func (o OwnFile) present(h *host.Host, content string, final func() (string, error)) ([]Change, error) {
	if h.Runtime {
		return nil, nil
	}
	old, err := h.Files.ReadFile(o.Name)
	missing := errors.Is(err, fs.ErrNotExist)
	if err != nil && !missing {
		return nil, err
	}
	if theirs, err := o.foreign(h, old); err != nil {
		return nil, err
	} else if theirs {
		return nil, fmt.Errorf("%s is there already: %w", o.Name, ErrForeignFile)
	}
	change := Change{Step: o.Step, Op: Set, Object: o.Name, Do: func(context.Context) error {
		return o.write(h, final)
	}}
	if missing {
		change.Op = Add
	} else if body, _ := splitMade(string(old)); body == content {
		// A teardown that was broken off has begun to take it away.
		if owed, err := o.remembered(h); err != nil || len(owed) == 0 {
			return nil, err
		}
	}
	return []Change{change}, nil
}

func (o OwnFile) write(h *host.Host, final func() (string, error)) error {
	body, err := final()
	if err != nil {
		return err
	}
	made, err := o.remembered(h)
	if err != nil {
		return err
	}
	var more, keys []string
	for _, dir := range made {
		keys = append(keys, o.ledgerKey(dir))
	}
	old, err := h.Files.ReadFile(o.Name)
	switch {
	case err == nil:
		_, more = splitMade(string(old))
	case errors.Is(err, fs.ErrNotExist):
		more, err = missingDirs(h.Files, append([]string{path.Dir(o.Name)}, o.Dirs...)...)
	}
	if err != nil {
		return err
	}
	made = append(made, more...)
	slices.Sort(made)
	for _, dir := range slices.Compact(made) {
		body += madeMark + dir + "\n"
	}
	if err := h.Files.WriteFile(o.Name, []byte(body), 0o644); err != nil {
		return err
	}
	return LedgerOf(h, o.Role).Forget(keys...)
}

// remove removes the file. Which directories are to follow is in the ledger
// before the file that says so goes.
func (o OwnFile) remove(h *host.Host) error {
	old, err := h.Files.ReadFile(o.Name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	_, made := splitMade(string(old))
	lines := map[string]string{}
	for _, dir := range made {
		lines[o.ledgerKey(dir)] = ""
	}
	if err := LedgerOf(h, o.Role).Remember(lines); err != nil {
		return err
	}
	if err := h.Files.Remove(o.Name); err != nil {
		return err
	}
	return o.removeDirs(h)
}

func (o OwnFile) removeDirs(h *host.Host) error {
	dirs, err := o.remembered(h)
	if err != nil {
		return err
	}
	keys := make([]string, 0, len(dirs))
	for _, dir := range slices.Backward(dirs) { // the deepest first
		names, err := h.Files.ReadDir(dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if len(names) == 0 { // else somebody has moved in
			if err := h.Files.Remove(dir); err != nil {
				return err
			}
		}
		keys = append(keys, o.ledgerKey(dir))
	}
	return LedgerOf(h, o.Role).Forget(keys...)
}

// remembered returns the directories in the ledger that are to follow the file,
// the topmost first.
func (o OwnFile) remembered(h *host.Host) ([]string, error) {
	lines, err := LedgerOf(h, o.Role).Read()
	if err != nil {
		return nil, err
	}
	var dirs []string
	for key := range lines {
		if dir, ok := strings.CutPrefix(key, o.ledgerKey("")); ok {
			dirs = append(dirs, dir)
		}
	}
	slices.Sort(dirs)
	return dirs, nil
}

// ledgerKey has the file's name in place of the step's: that reads its lines as its own.
func (o OwnFile) ledgerKey(dir string) string { return "made for " + o.Name + " " + dir }

// splitMade takes the lines naming directories out of an own file's content.
func splitMade(content string) (body string, dirs []string) {
	var b strings.Builder
	for line := range strings.Lines(content) {
		if dir, ok := strings.CutPrefix(line, madeMark); ok {
			dirs = append(dirs, strings.TrimSpace(dir))
			continue
		}
		b.WriteString(line)
	}
	return b.String(), dirs
}

// missingDirs returns the directories on the way to dirs that are not there, the
// topmost first.
func missingDirs(files host.Files, dirs ...string) ([]string, error) {
	var missing []string
	for _, dir := range dirs {
		for ; dir != "/"; dir = path.Dir(dir) {
			_, err := files.ReadDir(dir)
			if err == nil {
				break
			}
			if !errors.Is(err, fs.ErrNotExist) {
				return nil, err
			}
			missing = append(missing, dir)
		}
	}
	slices.Sort(missing)
	return slices.Compact(missing), nil
}
