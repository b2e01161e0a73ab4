package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// A distroKernel is the unpacked package of a distribution's kernel
// (dpkg-deb -x linux-image-….deb DIR), to be run by qemu without any disk: the
// initramfs is this program with the modules that reach the machine's files, the
// root file system is the machine's own over 9p.
type distroKernel struct{ dir, release string }

// findDistroKernel finds the kernel in a folder.
func findDistroKernel(dir string) (k distroKernel, err error) {
	images, err := filepath.Glob(filepath.Join(dir, "boot/vmlinuz-*"))
	if err != nil || len(images) != 1 {
		return k, fmt.Errorf("LVSDR_QEMU_KERNEL: %s: want one boot/vmlinuz-* (dpkg-deb -x linux-image-….deb %s)", dir, dir)
	}
	k = distroKernel{dir, strings.TrimPrefix(filepath.Base(images[0]), "vmlinuz-")}
	if _, err := os.Stat(filepath.Join(k.modules(), "modules.dep")); err != nil {
		return k, fmt.Errorf("%w (depmod -b %s %s)", err, dir, k.release)
	}
	return k, nil
}

func (k distroKernel) image() string   { return filepath.Join(k.dir, "boot/vmlinuz-"+k.release) }
func (k distroKernel) modules() string { return filepath.Join(k.dir, "lib/modules", k.release) }

// bootModules are what the root file system needs.
var bootModules = []string{"virtio_pci", "9pnet_virtio", "9p", "overlay"}

const (
	initramfsFile = "initramfs"
	rootTag       = "root" // 9p's names for the machine's files and the job folder
	jobTag        = "job"
	outTag        = "out"
	insmodDir     = "/insmod" // modules in the order to insert them
	tapFD         = 3         // the tap device, in the cage and in qemu
)

// command is the qemu process that runs the kernel on the job in dir.
func (k distroKernel) command(dir, mem, out string) (*exec.Cmd, error) {
	qemu, err := exec.LookPath("qemu-system-x86_64")
	if err != nil {
		return nil, fmt.Errorf("%w (apt-get install qemu-system-x86)", err)
	}
	if err := k.writeInitramfs(filepath.Join(dir, initramfsFile)); err != nil {
		return nil, err
	}
	share := func(tag, path, more string) []string {
		return []string{"-virtfs", "local,path=" + path + ",mount_tag=" + tag + ",security_model=none,multidevs=remap" + more}
	}
	args := []string{
		"-M", "q35,usb=off", "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-serial", "stdio",
		"-m", mem, "-kernel", k.image(), "-initrd", filepath.Join(dir, initramfsFile),
		"-append", "console=ttyS0 quiet mitigations=off panic=-1 oops=panic " + stageVar + "=guest " + jobVar + "=" + dir,
	}
	args = append(args, share(rootTag, "/", ",readonly=on")...)
	args = append(args, share(jobTag, dir, "")...)
	if out != "" {
		args = append(args, share(outTag, out, "")...)
	}
	if os.Getenv("LVSDR_GUEST_TAP") != "" {
		args = append(args, "-netdev", fmt.Sprintf("tap,id=lan,fd=%d", tapFD), "-device", "virtio-net-pci,netdev=lan,romfile=")
	}
	if cpus := os.Getenv("LVSDR_GUEST_CPUS"); cpus != "" {
		args = append(args, "-smp", cpus)
	}
	if os.Getenv("LVSDR_QEMU_ICOUNT") != "" {
		// Time is the number of instructions executed: the same on every run.
		args = append(args, "-icount", "shift=0,sleep=off", "-cpu", "max,-erms,-fsrm"+k.without16())
	} else {
		args = append(args, "-cpu", "max,cx16=off,"+slow)
	}
	return exec.Command(qemu, args...), nil
}

// without16 takes CMPXCHG16B away, with which 6.12 and later oops under TCG; haproxy,
// which the benchmarks run on 6.1, needs it.
func (k distroKernel) without16() string {
	if strings.HasPrefix(k.release, "6.1.") {
		return ""
	}
	return ",cx16=off"
}

// slow is what Debian's kernel uses where the processor has it, and is slow under TCG: to
// copy and clear by the byte, page tables of five levels, and two instructions around each
// copy from and to a program. In small programs the guest took 10 to 15 % less of the
// machine's processor without the first, and some 10 % less without the others.
const slow = "-erms,-fsrm,-la57,-smap,-smep"

// writeInitramfs writes what the kernel starts with: this program as /init.
func (k distroKernel) writeInitramfs(name string) error {
	var out bytes.Buffer
	zip, _ := gzip.NewWriterLevel(&out, gzip.BestSpeed)
	a := cpioWriter{w: zip}
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		return err
	}
	for _, d := range []string{"dev", "proc", "mnt", insmodDir[1:]} {
		a.add(d, unix.S_IFDIR|0o755, nil)
	}
	a.add("init", unix.S_IFREG|0o755, self)
	files, err := k.moduleFiles(bootModules)
	if err != nil {
		return err
	}
	for i, f := range files {
		data, err := os.ReadFile(filepath.Join(k.modules(), f))
		if err != nil {
			return err
		}
		a.add(fmt.Sprintf("%s/%02d-%s", insmodDir[1:], i, filepath.Base(f)), unix.S_IFREG|0o644, data)
	}
	a.add("TRAILER!!!", 0, nil)
	if err := errors.Join(a.err, zip.Close()); err != nil {
		return err
	}
	return os.WriteFile(name, out.Bytes(), 0o600)
}

// moduleFiles lists the files of modules and of what they depend on, in the order
// to insert them (modules.dep(5)).
func (k distroKernel) moduleFiles(names []string) ([]string, error) {
	f, err := os.Open(filepath.Join(k.modules(), "modules.dep"))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	needs := map[string][]string{} // by module name: its file, then those it depends on
	for s := bufio.NewScanner(f); s.Scan(); {
		file, deps, _ := strings.Cut(s.Text(), ":")
		name, _, _ := strings.Cut(filepath.Base(file), ".ko")
		needs[name] = append([]string{file}, strings.Fields(deps)...)
	}
	var files []string
	seen := map[string]bool{}
	for _, name := range names {
		deps := needs[name]
		for i := len(deps) - 1; i >= 0; i-- { // modules.dep lists the deepest last
			if !seen[deps[i]] {
				seen[deps[i]] = true
				files = append(files, deps[i])
			}
		}
	}
	return files, nil
}

// inInitramfs tells whether this guest is qemu's.
func inInitramfs() bool {
	_, err := os.Stat(insmodDir)
	return err == nil
}

// leaveInitramfs inserts the initramfs's modules, mounts the machine's files
// read-only, and makes them the root, as switch_root(8) does.
func leaveInitramfs() error {
	entries, err := os.ReadDir(insmodDir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := insertFile(filepath.Join(insmodDir, e.Name())); err != nil {
			return err
		}
	}
	if err := mount(rootTag, "/mnt", "9p", unix.MS_RDONLY, plan9Options+",cache=loose"); err != nil {
		return err
	}
	if err := os.Chdir("/mnt"); err != nil {
		return err
	}
	if err := unix.Mount(".", "/", "", unix.MS_MOVE, ""); err != nil {
		return fmt.Errorf("leaving the initramfs: %w", err)
	}
	return unix.Chroot(".")
}

const plan9Options = "trans=virtio,version=9p2000.L,msize=512000"

// plan9 mounts one of the machine's folders where qemu runs.
func plan9(tag, dir string) error { return mount(tag, dir, "9p", 0, plan9Options) }
