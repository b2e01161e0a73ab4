package linux

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lvsdr/toolkit/lvsdr/ipvs"
)

// kmodTree makes a root with the files, whose kernel is release 6.1.0-13-amd64.
func kmodTree(t *testing.T, files map[string]string) kmod {
	t.Helper()
	k := kmod{root: t.TempDir(), release: "6.1.0-13-amd64"}
	for name, content := range files {
		path := filepath.Join(k.root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return k
}

const kmodLib = "/lib/modules/6.1.0-13-amd64/"

func TestKmod(t *testing.T) {
	dep := map[string]string{
		kmodLib + "modules.dep":                 "kernel/net/xt_ipvs.ko: kernel/net/ip_vs.ko\nkernel/net/ip_vs.ko.xz: kernel/lib/crc.ko\nkernel/net/ip-vs-wrr.ko.zst:\nkernel/gone.ko:\n",
		kmodLib + "modules.builtin":             "kernel/net/ip_vs_rr.ko\n",
		kmodLib + "kernel/net/ip_vs.ko.xz":      "",
		kmodLib + "kernel/net/ip-vs-wrr.ko.zst": "",
	}
	with := func(more map[string]string) map[string]string {
		all := map[string]string{}
		for _, m := range []map[string]string{dep, more} {
			for k, v := range m {
				all[k] = v
			}
		}
		return all
	}
	tests := []struct {
		name   string
		files  map[string]string
		module string
		loaded bool
		find   string // part of Find's error, empty when it finds it
		err    error
	}{
		{name: "to be loaded", files: dep, module: "ip_vs"},
		{name: "dashes in the file's name", files: dep, module: "ip_vs_wrr"},
		{name: "built in", files: dep, module: "ip_vs_rr", loaded: true},
		{name: "not in this kernel", files: dep, module: "ip_vs_twos", err: fs.ErrNotExist,
			find: "module ip_vs_twos is not in /lib/modules/6.1.0-13-amd64: install linux-image-"},
		{name: "listed, but the file is gone", files: dep, module: "gone", err: fs.ErrNotExist, find: "is not in /lib/modules"},
		{name: "loaded", files: with(map[string]string{"/sys/module/ip_vs/initstate": "live\n"}), module: "ip_vs", loaded: true},
		{name: "about to be loaded", files: with(map[string]string{"/sys/module/ip_vs/initstate": "coming\n"}), module: "ip_vs"},
		{name: "built in, with parameters", files: with(map[string]string{"/sys/module/ip_vs/parameters/x": "1"}), module: "ip_vs", loaded: true},
		{name: "no /sys", files: with(map[string]string{"/proc/modules": "ip_vs 1 2 - Live 0x0\n"}), module: "ip_vs", loaded: true},
		{name: "loading forbidden", files: with(map[string]string{"/proc/sys/kernel/modules_disabled": "1\n"}), module: "ip_vs",
			find: "kernel.modules_disabled=1", err: fs.ErrPermission},
		{name: "upgraded and not rebooted", files: map[string]string{"/lib/modules/6.1.0-18-amd64/modules.dep": ""}, module: "ip_vs",
			find: "the running kernel is 6.1.0-13-amd64, but /lib/modules has the modules of 6.1.0-18-amd64 only: reboot", err: fs.ErrNotExist},
		{name: "no modules at all", module: "ip_vs", find: "no modules for the running kernel 6.1.0-13-amd64", err: fs.ErrNotExist},
		{name: "a kernel of one piece", files: map[string]string{"/proc/kallsyms": "0 t ip_vs_wrr_schedule_x\n0 t ip_vs_wrr_schedule\n"},
			module: "ip_vs_wrr", loaded: true},
		{name: "a symbol of a module", files: map[string]string{"/proc/kallsyms": "0 t ip_vs_wrr_schedule\t[ip_vs_wrr]\n"},
			module: "ip_vs_wrr", find: "no modules", err: fs.ErrNotExist},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k := kmodTree(t, tt.files)
			loaded, err := k.Loaded(tt.module)
			if loaded != tt.loaded || err != nil {
				t.Errorf("loaded: %v, %v", loaded, err)
			}
			err = k.Find(t.Context(), tt.module)
			if tt.find == "" {
				if err != nil {
					t.Errorf("find: %v", err)
				}
				return
			}
			if !errors.Is(err, tt.err) || !strings.Contains(err.Error(), tt.find) {
				t.Errorf("find: %v, want %s", err, tt.find)
			}
		})
	}
}

// TestKmodLoad loads real modules, in a guest only.
func TestKmodLoad(t *testing.T) {
	if os.Getenv("LVSDR_TEST_GUEST") != "1" {
		t.Skip("loads modules: in a guest only")
	}
	k := kmod{}
	for _, name := range []string{ipvs.Module, "ip_vs_wrr"} {
		if err := k.Find(t.Context(), name); err != nil {
			t.Fatal(err)
		}
		if err := k.Load(t.Context(), name); err != nil {
			t.Fatal(err)
		}
		if loaded, err := k.Loaded(name); !loaded || err != nil {
			t.Fatalf("%s is loaded: %v, %v", name, loaded, err)
		}
	}
	if err := k.Find(t.Context(), "ip_vs_nonsense"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("ip_vs_nonsense: %v", err)
	}
}
