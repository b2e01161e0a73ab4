package host

import "context"

// Packages is the host's package manager.
type Packages interface {
	// Command is what installs the package, as a person types it. It fails with
	// fs.ErrNotExist where no package manager is known.
	Command(name string) (string, error)
	// Install installs the package and what it needs, within a bounded time. It fails with
	// what the package manager said.
	Install(ctx context.Context, name string) error
}
