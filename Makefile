# SPDX-License-Identifier: GPL-2.0-or-later
# Meson builds; this only calls it and the scripts.

all: build/build.ninja
	ninja -C build tools/domus
	ln -sf tools/domus build/domus

build/build.ninja:
	scripts/deps build
	meson setup build

run: all
	scripts/run $(RUN)

check:
	scripts/check $(CHECK)

bench: all
	scripts/deps bench
	bench/run $(BENCH)

install: all
	meson install -C build --no-rebuild --tags runtime,man

clean:
	rm -rf build build-*

.PHONY: all run check bench install clean
