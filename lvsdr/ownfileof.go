package lvsdr

// An OwnFile is a file in /etc that belongs to lvsdr alone, for steps of other
// packages. It is there with its content or it is gone; the directories that had
// to be made for it go with it, as lines "#lvsdr:made DIRECTORY" at its end tell,
// so its format must take "#" comments. Nothing is planned for it with
// [Host.Runtime].
type OwnFile struct {
	Name string   // absolute
	Role string   // whose ledger remembers the directories while the file goes
	Step string   // whose changes these are
	Dirs []string // further directories that are made together with the file
}

// Present returns the change that is due for the file to have the content, which
// ends with a newline.
func (f OwnFile) Present(h *Host, content string) ([]Change, error) {
	return f.file().present(h, content, func() (string, error) { return content, nil })
}

// Absent returns the change that is due for the file, and the directories made
// for it, to be gone.
func (f OwnFile) Absent(h *Host) ([]Change, error) { return f.file().absent(h) }

func (f OwnFile) file() ownFile {
	return ownFile{name: f.Name, role: f.Role, step: f.Step, dirs: f.Dirs}
}
