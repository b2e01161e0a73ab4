package linux

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// kmod is the running kernel's module loader. Looking loads nothing and starts no
// process; loading is modprobe's.
type kmod struct {
	root    string // put before every path
	release string // of the running kernel; empty: ask it
}

// Loaded looks in /sys/module, in the list of what is built in, and, for a kernel
// that came without that list, in the kernel's symbols.
func (k kmod) Loaded(name string) (bool, error) {
	state, err := os.ReadFile(filepath.Join(k.root, "/sys/module", name, "initstate"))
	if err == nil {
		return string(bytes.TrimSpace(state)) == "live", nil
	}
	if _, err := os.Stat(filepath.Join(k.root, "/sys/module", name)); err == nil {
		return true, nil // built in, with parameters
	}
	if found, err := k.inProcModules(name); found || err != nil {
		return found, err
	}
	dir, err := k.dir()
	if err == nil {
		file, err := lookUp(filepath.Join(dir, "modules.builtin"), name)
		return file != "", err
	}
	if errors.Is(err, fs.ErrNotExist) {
		return k.inSymbols(name)
	}
	return false, err
}

// inProcModules is for where /sys is not mounted.
func (k kmod) inProcModules(name string) (bool, error) {
	found := false
	err := eachLine(filepath.Join(k.root, "/proc/modules"), func(line []byte) bool {
		fields := bytes.Fields(line) // name size users dependents state address
		found = len(fields) > 4 && string(fields[0]) == name && string(fields[4]) == "Live"
		return !found
	})
	return found, err
}

// inSymbols looks for a scheduler that is built in: each has a function
// ip_vs_<name>_schedule, which bears no module's name then. The module ip_vs has
// parameters and is in /sys/module.
func (k kmod) inSymbols(name string) (bool, error) {
	if !strings.HasPrefix(name, "ip_vs_") {
		return false, nil
	}
	want := []byte(" " + name + "_schedule")
	found := false
	err := eachLine(filepath.Join(k.root, "/proc/kallsyms"), func(line []byte) bool {
		found = bytes.HasSuffix(line, want)
		return !found
	})
	return found, err
}

// Find looks in modules.dep. The error tells which package brings the module.
func (k kmod) Find(_ context.Context, name string) error {
	if loaded, err := k.Loaded(name); loaded || err != nil {
		return err
	}
	if k.locked() {
		return fmt.Errorf("module %s is not loaded and kernel.modules_disabled=1 forbids loading any until the next boot: %w",
			name, fs.ErrPermission)
	}
	dir, err := k.dir()
	if err != nil {
		return err
	}
	file, err := lookUp(filepath.Join(dir, "modules.dep"), name)
	if err != nil {
		return err
	}
	if file != "" {
		if !path.IsAbs(file) {
			file = filepath.Join(dir, file)
		}
		if _, err = os.Stat(file); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	release := filepath.Base(dir)
	return moduleMissing(fmt.Sprintf("module %s is not in /lib/modules/%s: install linux-image-%s (Debian), "+
		"linux-modules-extra-%s or linux-generic (Ubuntu), kernel-modules-core or kernel-modules (Fedora, RHEL), "+
		"and reboot if that brings another kernel", name, release, runtime.GOARCH, release))
}

// moduleMissing says why a module cannot be had; it is fs.ErrNotExist.
type moduleMissing string

func (m moduleMissing) Error() string { return string(m) }

func (m moduleMissing) Is(target error) bool { return target == fs.ErrNotExist }

// Load runs modprobe, which also loads what the module depends on.
func (k kmod) Load(ctx context.Context, name string) error {
	if loaded, err := k.Loaded(name); loaded || err != nil {
		return err
	}
	modprobe, err := findModprobe()
	if err != nil {
		return err
	}
	output, err := exec.CommandContext(ctx, modprobe, "--", name).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w: %s", modprobe, name, err, bytes.TrimSpace(output))
	}
	return nil
}

// findModprobe looks where modprobe belongs before PATH, which need not hold the
// sbin folders.
func findModprobe() (string, error) {
	for _, name := range []string{"/usr/sbin/modprobe", "/sbin/modprobe", "/usr/bin/modprobe", "/bin/modprobe"} {
		if info, err := os.Stat(name); err == nil && info.Mode()&0o111 != 0 {
			return name, nil
		}
	}
	name, err := exec.LookPath("modprobe")
	if err != nil {
		return "", fmt.Errorf("%w: install the package kmod", err)
	}
	return name, nil
}

func (k kmod) locked() bool {
	value, err := os.ReadFile(filepath.Join(k.root, "/proc/sys/kernel/modules_disabled"))
	return err == nil && string(bytes.TrimSpace(value)) == "1"
}

// dir returns the folder with the running kernel's modules. It fails with
// fs.ErrNotExist, telling a kernel that was upgraded from one without modules.
func (k kmod) dir() (string, error) {
	release := k.release
	if release == "" {
		var name unix.Utsname
		if err := unix.Uname(&name); err != nil {
			return "", os.NewSyscallError("uname", err)
		}
		release = unix.ByteSliceToString(name.Release[:])
	}
	var others []string
	for _, modules := range []string{"/lib/modules", "/usr/lib/modules"} {
		dir := filepath.Join(k.root, modules, release)
		if _, err := os.Stat(filepath.Join(dir, "modules.dep")); err == nil {
			return dir, nil
		}
		if entries, _ := os.ReadDir(filepath.Dir(dir)); len(others) == 0 {
			for _, e := range entries {
				others = append(others, e.Name())
			}
		}
	}
	if len(others) > 0 {
		return "", moduleMissing(fmt.Sprintf("the running kernel is %s, but /lib/modules has the modules of %s only: "+
			"reboot after an upgrade", release, strings.Join(others, ", ")))
	}
	return "", moduleMissing(fmt.Sprintf("/lib/modules has no modules for the running kernel %s: install the distribution's "+
		"kernel with its modules and reboot into it; in a container, load the module on the host", release))
}

// lookUp returns the module's file in a list of files, modules.dep(5) or
// modules.builtin, empty when it is not there.
func lookUp(list, name string) (file string, err error) {
	err = eachLine(list, func(line []byte) bool {
		line, _, _ = bytes.Cut(line, []byte(":"))
		base, _, _ := bytes.Cut(line[bytes.LastIndexByte(line, '/')+1:], []byte(".ko"))
		if string(bytes.ReplaceAll(base, []byte("-"), []byte("_"))) == name {
			file = string(line)
		}
		return file == ""
	})
	return file, err
}

// eachLine calls f until it returns false. A file that is not there has no lines.
func eachLine(name string, f func(line []byte) bool) error {
	file, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if !f(lines.Bytes()) {
			return nil
		}
	}
	return lines.Err()
}
