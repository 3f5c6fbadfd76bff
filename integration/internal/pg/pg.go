// Package pg runs a PostgreSQL server for a test. The server has a temporary data directory, a
// Unix socket for the administrator and a free port of 127.0.0.1 for all other users, who need
// a password (scram-sha-256).
//
// The package needs the binaries initdb and postgres of the Debian package postgresql; see the
// script setup of this module. They do not run as root: for a test that runs as root, the
// server runs as another user.
package pg

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// The names of the administrator and its database.
const (
	AdminUser     = "postgres"
	AdminDatabase = "postgres"
)

// debianBinaries is Debian's directory of the binaries by version. It is not in PATH.
const debianBinaries = "/usr/lib/postgresql/*/bin"

// ErrNotInstalled is the error of Start on a machine without the binaries.
var ErrNotInstalled = errors.New("pg: no initdb and postgres in PATH or /usr/lib/postgresql/*/bin:" +
	" run integration/setup as root, or apt-get install postgresql")

// A Server is a running PostgreSQL.
type Server struct {
	Host      string // connections need a password
	Port      int    // of Host, and a part of the name of the socket
	SocketDir string // connections need no password; only the user of the server and root have access

	process *process
}

// Start creates a database cluster in a new temporary directory, and returns when the server
// accepts connections. The caller calls Stop. ctx limits only the start.
func Start(ctx context.Context) (*Server, error) {
	bin, err := findBinaries(debianBinaries)
	if err != nil {
		return nil, err
	}
	owner, err := findOwner()
	if err != nil {
		return nil, err
	}
	dir, err := owner.tempDir()
	if err != nil {
		return nil, err
	}
	server, err := start(ctx, bin, dir, owner)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return server, nil
}

func start(ctx context.Context, bin, dir string, owner *owner) (*Server, error) {
	if err := initdb(ctx, bin, dir, owner); err != nil {
		return nil, err
	}
	const tries = 3 // another process may take the free port before the server does
	var lastErr error
	for range tries {
		port, err := freePort(ctx)
		if err != nil {
			return nil, err
		}
		process, err := launch(ctx, owner.command(context.WithoutCancel(ctx), filepath.Join(bin, "postgres"), flags(dir, port)...))
		if err == nil {
			return &Server{Host: "127.0.0.1", Port: port, SocketDir: dir, process: process}, nil
		}
		lastErr = err
	}
	return nil, lastErr
}

// Stop ends the server and its connections immediately, waits for its last process and removes
// its data.
func (s *Server) Stop() error {
	return errors.Join(s.process.stop(), os.RemoveAll(s.SocketDir))
}

// findBinaries returns the first directory in PATH that has initdb and postgres, or the newest
// such directory that matches debian.
func findBinaries(debian string) (string, error) {
	versions, err := filepath.Glob(debian)
	if err != nil {
		return "", err
	}
	slices.SortFunc(versions, func(a, b string) int { return strings.Compare(b, a) })
	for _, dir := range slices.Concat(filepath.SplitList(os.Getenv("PATH")), versions) {
		if isExecutable(filepath.Join(dir, "initdb")) && isExecutable(filepath.Join(dir, "postgres")) {
			return dir, nil
		}
	}
	return "", ErrNotInstalled
}

func isExecutable(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

func initdb(ctx context.Context, bin, dir string, owner *owner) error {
	cmd := owner.command(ctx, filepath.Join(bin, "initdb"),
		"--pgdata="+dir, "--username="+AdminUser, "--auth-local=trust", "--auth-host=scram-sha-256",
		"--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions")
	runtime.LockOSThread() // see process.run
	defer runtime.UnlockOSThread()
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("pg: initdb: %w\n%s", err, out)
	}
	return nil
}

// flags returns the flags of the server. Data need not survive a crash.
func flags(dir string, port int) []string {
	args := []string{"-D", dir}
	for _, setting := range []string{
		"listen_addresses=127.0.0.1",
		fmt.Sprintf("port=%d", port),
		"unix_socket_directories=" + dir,
		"unix_socket_permissions=0700",
		"password_encryption=scram-sha-256",
		"max_connections=400",
		"shared_buffers=32MB",
		"fsync=off",
		"full_page_writes=off",
		"synchronous_commit=off",
		"lc_messages=C",
		"logging_collector=off",
		"log_destination=stderr",
	} {
		args = append(args, "-c", setting)
	}
	return args
}

func freePort(ctx context.Context) (int, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("pg: no free port: %w", err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}
