//go:build linux

package fleet

import (
	"context"
	"os"
	"path/filepath"
)

// Seed has cloud-init run at the next boot, on what the folder has for its data source
// NoCloud: user-data, meta-data and network-config. The machine is to be one of
// [Debian12], switched off, its network [CloudInit].
func (m *Machine) Seed(ctx context.Context, folder string) error {
	files, err := os.ReadDir(folder)
	if err != nil {
		return err
	}
	for _, f := range files {
		text, err := os.ReadFile(filepath.Join(folder, f.Name()))
		if err != nil {
			return err
		}
		if err := m.WriteFile("/var/lib/cloud/seed/nocloud/"+f.Name(), text, 0o600); err != nil {
			return err
		}
	}
	// The tree has no locales and no SSH server.
	const conf = "datasource_list: [NoCloud, None]\nlocale: false\nssh_genkeytypes: []\n"
	if err := m.WriteFile("/etc/cloud/cloud.cfg.d/90-fleet.cfg", []byte(conf), 0o644); err != nil {
		return err
	}
	if err := os.Remove(m.Path("/etc/cloud/cloud-init.disabled")); err != nil && !os.IsNotExist(err) {
		return err
	}
	return m.Enable(ctx, "cloud-init-local", "cloud-init", "cloud-config", "cloud-final")
}
