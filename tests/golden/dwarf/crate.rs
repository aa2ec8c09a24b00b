// Methods, generics and closures of Rust, without its library.
#![no_std]
#![no_main]

use core::ptr::{read_volatile, write_volatile};

static mut SINK: i32 = 1;

pub struct Cart {
    items: [i32; 4],
}

impl Cart {
    #[inline(always)]
    fn total(&self) -> i32 {
        let mut sum = 0i32;
        let mut i = 0;
        while i < 4 {
            sum = sum.wrapping_add(self.items[i]);
            i += 1;
        }
        sum
    }

    #[inline(always)]
    fn each<F: Fn(i32) -> i32>(&self, f: F) -> i32 {
        f(self.items[0]).wrapping_mul(f(self.items[3]))
    }
}

mod shop {
    #[inline(never)]
    pub fn buy(n: i32) -> i32 {
        let cart = super::Cart { items: [n, super::load(), n ^ 5, 9] };
        cart.total() + cart.each(|item| item.wrapping_mul(super::load()))
    }
}

fn load() -> i32 {
    unsafe { read_volatile(&raw const SINK) }
}

#[no_mangle]
pub extern "C" fn _start() -> ! {
    loop {
        let n = shop::buy(load());
        unsafe { write_volatile(&raw mut SINK, n) }
    }
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    loop {}
}
