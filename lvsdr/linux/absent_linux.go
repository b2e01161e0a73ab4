package linux

import "io/fs"

// absent is the error for what is not there and is no file: errors.Is finds
// fs.ErrNotExist, whose own text would speak of a file.
type absent struct {
	text  string
	cause error // the kernel's, nil where it said nothing
}

func (e absent) Error() string        { return e.text }
func (e absent) Unwrap() error        { return e.cause }
func (e absent) Is(target error) bool { return target == fs.ErrNotExist }
