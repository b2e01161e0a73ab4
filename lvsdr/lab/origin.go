//go:build linux

package lab

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// fromMachine are the patterns of what of the machine's /etc every host gets a copy
// of: what programs need in order to start. The rest of /etc a host has not.
var fromMachine = []string{
	"alternatives/*tables*", "alternatives/awk", "alternatives/nc", "alternatives/pager", "alternatives/which",
	"ethertypes", "group", "gshadow", "host.conf", "iproute2", "ld.so.cache", "ld.so.conf", "ld.so.conf.d",
	"localtime", "login.defs", "modprobe.d", "nsswitch.conf", "os-release", "passwd", "protocols", "services",
	"shadow",
}

// An origin is what the files of a lab's hosts are made from. What every host has of
// the machine's /etc is read and written once, since each file costs a millisecond
// in User-Mode Linux; the hosts see it through an overlay.
type origin struct {
	etc   string // the folder below the hosts' /etc
	hosts string // where each host mounts the memory for its own
	files []etcFile
	// sysctls are what a new host has to set to be as the kernel starts.
	sysctls map[string]string
}

func newOrigin(dir string) (*origin, error) {
	o := &origin{etc: filepath.Join(dir, "etc"), hosts: filepath.Join(dir, "host")}
	var err error
	if o.files, err = readMachine(); err != nil {
		return nil, fmt.Errorf("reading the machine's /etc: %w", err)
	}
	for _, folder := range []string{o.etc, o.hosts} {
		if err := os.Mkdir(folder, 0o755); err != nil {
			return nil, err
		}
	}
	return o, o.writeTo(o.etc)
}

// mountEtc mounts a host's /etc: upper over what all have. Where the kernel does not
// allow an overlay (before 5.11 in a user namespace) it copies.
func (o *origin) mountEtc(upper, work string) error {
	err := unix.Mount("overlay", "/etc", "overlay", 0, "lowerdir="+o.etc+",upperdir="+upper+",workdir="+work)
	if err == nil {
		return nil
	}
	if err := o.writeTo(upper); err != nil {
		return err
	}
	return unix.Mount(upper, "/etc", "", unix.MS_BIND, "")
}

// writeTo writes the files into a folder.
func (o *origin) writeTo(folder string) error {
	for _, f := range o.files {
		if err := f.write(folder); err != nil {
			return err
		}
	}
	return nil
}

// An etcFile is a file, link or folder of the machine's /etc.
type etcFile struct {
	name string // in /etc
	mode fs.FileMode
	data []byte // a link's target
}

func (f etcFile) write(etc string) error {
	to := filepath.Join(etc, f.name)
	switch {
	case f.mode.IsDir():
		return os.MkdirAll(to, f.mode.Perm())
	case f.mode&fs.ModeSymlink != 0:
		return os.Symlink(string(f.data), to)
	}
	return os.WriteFile(to, f.data, f.mode.Perm())
}

func readMachine() ([]etcFile, error) {
	all := []etcFile{{name: "alternatives", mode: fs.ModeDir | 0o755}}
	for _, pattern := range fromMachine {
		names, err := filepath.Glob(filepath.Join("/etc", pattern))
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			err := filepath.WalkDir(name, func(name string, entry fs.DirEntry, err error) error {
				if err == nil {
					var f etcFile
					if f, err = readEtcFile(name, entry); err == nil {
						all = append(all, f)
					}
				}
				// One that is not for an unprivileged user's eyes is done without.
				if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) || errors.Is(err, errOther) {
					return nil
				}
				return err
			})
			if err != nil {
				return nil, err
			}
		}
	}
	return chooseIPTables(all), nil
}

// errOther: neither a file nor a link nor a folder.
var errOther = errors.New("another kind of file")

func readEtcFile(name string, entry fs.DirEntry) (f etcFile, err error) {
	info, err := entry.Info()
	if err != nil {
		return f, err
	}
	f = etcFile{name: strings.TrimPrefix(name, "/etc/"), mode: info.Mode()}
	switch {
	case f.mode.IsDir():
		return f, nil
	case f.mode&fs.ModeSymlink != 0:
		target, err := os.Readlink(name)
		f.data = []byte(target)
		return f, err
	case !f.mode.IsRegular():
		return f, errOther
	}
	f.data, err = os.ReadFile(name)
	return f, err
}

// chooseIPTables makes iptables the variant that this kernel has: where it knows
// no nftables for IP, the legacy one, as "update-alternatives --set" would.
func chooseIPTables(all []etcFile) []etcFile {
	if NFT.Missing() == nil {
		return all
	}
	for _, name := range []string{"iptables", "ip6tables"} {
		for _, suffix := range []string{"", "-save", "-restore"} {
			legacy, err := exec.LookPath(name + "-legacy" + suffix)
			if err != nil {
				continue
			}
			link := "alternatives/" + name + suffix
			all = slices.DeleteFunc(all, func(f etcFile) bool { return f.name == link })
			all = append(all, etcFile{link, fs.ModeSymlink, []byte(legacy)})
		}
	}
	return all
}
