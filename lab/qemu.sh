# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# lab/run's part for QEMU: a PC with several processors, and the host's root by 9p.
# shellcheck disable=SC2154,SC2034 # what lab/run has, and what it takes from here

tools=(qemu-system-x86_64)
drivers=(nullblk file nvme scsi_debug pmem)
image=qemu-$kernel${variant:+-$variant}/vmlinux

drives=()

# add_image NR DRIVER FILE: a disk in that file below out/, which the guest finds by
# its serial number
add_image()
{
	local device=virtio-blk-pci
	[[ $2 != nvme ]] || device=nvme
	drives+=(-drive "if=none,id=disk$1,format=raw,discard=unmap,file=/dev/shm/out/$3"
		-device "$device,drive=disk$1,serial=disk$1")
}

# A /dev/kvm may be there and hang every guest.  So it is used where it has booted one,
# which is tried once for each boot of the host.
choose_accelerator()
{
	local cache=$top/out/lab/.accelerator boot tried=''
	boot=$(</proc/sys/kernel/random/boot_id)
	accelerator=${WT_LAB_ACCEL:-tcg}
	[[ ! ${WT_LAB_ACCEL:-} && -r /dev/kvm && -w /dev/kvm ]] || return 0
	[[ ! -e $cache ]] || read -r tried accelerator <"$cache"
	[[ $tried != "$boot" ]] || return 0
	accelerator=tcg
	! WT_LAB_ACCEL=kvm "$here/run" --lab qemu --kernel "$kernel" --timeout 15 \
		--disk nullblk,raw true >"$run/probe.log" 2>&1 </dev/null || accelerator=kvm
	echo "$boot $accelerator" >"$cache.$$"
	mv "$cache.$$" "$cache"
}

# The guest, with 3 and 4 for input and output, 5 for error and 6 for the kernel's log.
#
# What it says goes by serial lines: QEMU waits for whoever reads them.  What it is told
# must not: nothing keeps their driver from losing bytes, so that is a virtio port.
guest_command()
{
	local lines=(-serial none) accel root
	choose_accelerator
	accel=$accelerator
	[[ $accel != tcg ]] || accel+=,thread=multi
	if ((interactive)); then
		lines=(-chardev "stdio,id=terminal,signal=off" -serial chardev:terminal
			-serial none -serial none)
	else
		lines+=(-device virtio-serial-pci -chardev "pipe,id=in,path=/proc/self/fd/3"
			-device "virtserialport,chardev=in"
			-serial file:/proc/self/fd/4 -serial file:/proc/self/fd/5)
	fi
	echo "lab: QEMU, accelerator $accelerator, $smp processors" >>"$run/kernel.log"
	root=trans=virtio,version=9p2000.L,msize=512000,cache=loose,access=any
	# In the middle of the memory: all of it is below the hole for devices then.
	((!pmem)) || kernel_arguments+=("memmap=${pmem}M!256M")
	# On a busy host the TSC is measured wrong, and processors stand still for seconds.
	# shellcheck disable=SC2016 # for that shell
	command_line=(sh -c 'exec "$@" <&3 >&4' -
		"${tools[0]}" -nodefaults -no-user-config -display none -no-reboot
		-machine q35 -accel "$accel" -cpu max -smp "$smp" -m "$((mem + pmem))M"
		-fsdev "local,id=root,path=/,security_model=none,readonly=on,multidevs=remap"
		-device "virtio-9p-pci,fsdev=root,mount_tag=root"
		-fsdev "local,id=out,path=/dev/shm/out,security_model=none,multidevs=remap"
		-device "virtio-9p-pci,fsdev=out,mount_tag=out"
		"${lines[@]}" -chardev "file,id=log,append=on,path=/proc/self/fd/6"
		-serial chardev:log "${drives[@]}" -kernel "$linux"
		-append "root=root rootfstype=9p rootflags=$root panic=-1
			console=ttyS3,115200 earlyprintk=serial,0x2e8,115200
			tsc=unstable rcupdate.rcu_cpu_stall_timeout=120
			${kernel_arguments[*]}")
}
