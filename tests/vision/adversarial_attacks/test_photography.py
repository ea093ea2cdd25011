"""Photography: geometry against points worked out by hand, light, blur, print, JPEG, gradients."""

import math

import pytest
import torch

from companion.seeds import generator
from companion.vision.adversarial_attacks import photography as room


def random_images(*shape, purpose="images"):
    return torch.rand(shape, generator=generator(0, purpose))


def turned(yaw=0.0, pitch=0.0, roll=0.0, scale=1.0, shift=(0.0, 0.0)):
    one = [torch.tensor([float(value)]) for value in (yaw, pitch, roll, scale)]
    return room.homography(*one, torch.tensor([shift]))


def test_the_straight_view_changes_nothing():
    images = random_images(3, 3, 24, 24)
    whole = torch.ones(3, 1, 24, 24)
    views = room.straight_views(3)
    seen = room.photograph(images, whole, torch.zeros_like(images), views, generator(0, "noise"))
    torch.testing.assert_close(seen, images, atol=1e-5, rtol=0)


def test_a_view_puts_the_corners_where_geometry_says():
    """Canvas corner (1, 1) turned by yaw: x shrinks by cos, depth grows by sin."""
    angle, distance = math.radians(30), 4.0
    there = torch.linalg.inv(turned(yaw=30, scale=0.5, shift=(0.1, -0.2)))[0]
    corner = there @ torch.tensor([1.0, 1.0, 1.0])
    corner = corner[:2] / corner[2]
    depth = 1 + math.sin(angle) / distance
    expected = torch.tensor([0.5 * math.cos(angle) / depth + 0.1, 0.5 / depth - 0.2])
    torch.testing.assert_close(corner, expected)
    clockwise = torch.linalg.inv(turned(roll=90))[0] @ torch.tensor([0.0, -1.0, 1.0])
    torch.testing.assert_close(clockwise[:2] / clockwise[2], torch.tensor([1.0, 0.0]))


def test_a_quarter_turn_moves_whole_pixels():
    image = random_images(1, 3, 16, 16)
    whole = torch.ones(1, 1, 16, 16)
    seen = room.place(image, whole, torch.zeros_like(image), turned(roll=90))
    torch.testing.assert_close(seen, image.rot90(-1, dims=(2, 3)), atol=1e-4, rtol=0)


def test_the_background_shows_where_the_canvas_is_not():
    canvas, background = torch.ones(1, 3, 20, 20), random_images(1, 3, 32, 32)
    mask = torch.zeros(1, 1, 20, 20)
    mask[..., :10] = 1
    seen = room.place(canvas, mask, background, turned(scale=0.5))
    assert torch.equal(seen[..., :7], background[..., :7])
    assert torch.equal(seen[..., 17:], background[..., 17:])
    torch.testing.assert_close(seen[..., 10:22, 10:15], torch.ones(1, 3, 12, 5))


def test_gradients_reach_the_canvas_as_finite_differences_say():
    canvas = random_images(1, 3, 8, 8).double() * 0.5 + 0.2
    mask = torch.ones(1, 1, 8, 8).double()
    views = room.sample_views(room.Camera(noises=(0, 0)), 2, generator(0, "views"))
    double = room.Views(*(values.double() for values in vars(views).values()))
    background = torch.full((2, 3, 10, 10), 0.5).double()

    def take(canvas):
        scene = room.place(canvas, mask, background, double.homographies)
        lit = scene * double.gains[:, :, None, None] + double.offsets[:, None, None, None]
        return room.blur(lit, double.blurs).square().sum()

    assert torch.autograd.gradcheck(take, canvas.requires_grad_())
    seen = room.photograph(
        canvas.detach().float().requires_grad_(),
        mask.float(),
        background.float(),
        views,
        generator(0, "noise"),
    )
    assert seen.requires_grad


def test_blur_keeps_flat_places_spreads_points_and_leaves_sharp_pictures_alone():
    images = random_images(2, 3, 20, 20)
    assert torch.equal(room.blur(images, torch.zeros(2)), images)
    flat = torch.full((1, 3, 20, 20), 0.3)
    torch.testing.assert_close(room.blur(flat, torch.tensor([0.9])), flat)
    point = torch.zeros(2, 1, 21, 21)
    point[:, :, 10, 10] = 1
    spread = room.blur(point, torch.tensor([1.5, 0.0]))
    torch.testing.assert_close(spread.sum(dim=(1, 2, 3)), torch.ones(2))
    squares = (torch.arange(21) - 10.0) ** 2
    variance = (spread[0, 0].sum(dim=0) * squares).sum()
    assert variance.item() == pytest.approx(1.5**2, rel=0.03)  # cut off at three deviations
    assert torch.equal(spread[1], point[1])


def test_views_keep_to_the_camera_and_to_their_seed():
    camera = room.Camera(gains=(0.5, 0.6), tint=0, blurs=(0.2, 0.3), noises=(0.01, 0.02))
    views = room.sample_views(camera, 200, generator(0, "views"))
    again = room.sample_views(camera, 200, generator(0, "views"))
    for name, values in vars(views).items():
        assert torch.equal(values, getattr(again, name))
    assert views.gains.min() >= 0.5 and views.gains.max() <= 0.6
    assert views.blurs.min() >= 0.2 and views.blurs.max() <= 0.3
    other = room.sample_views(camera, 200, generator(0, "other views"))
    assert not torch.equal(views.homographies, other.homographies)


def test_print_gives_the_nearest_printable_colour():
    patch = 0.2 * (random_images(3, 6, 6) > 0.5) + 0.4 * random_images(3, 6, 6, purpose="corner")
    patch[:, 3:] = 0.5 + 0.1 * (patch[:, 3:] - 0.5)
    printed = room.print_on_paper(patch, generator(0, "print"), ink_noise=0)
    distances = torch.cdist(printed.flatten(1).T, room.PRINTABLE)
    assert distances.amin(dim=1).max() == 0
    kept = (printed - patch).square().sum(dim=0)
    for colour in room.PRINTABLE:
        assert (kept <= (colour[:, None, None] - patch).square().sum(dim=0) + 1e-6).all()
    assert (printed[:, 3:] == 0.5).all()
    assert not torch.equal(printed, room.print_on_paper(patch, generator(0, "print")))


def test_jpeg_loses_more_at_lower_quality_and_little_of_what_is_smooth():
    rough, smooth = random_images(2, 3, 32, 32), torch.full((1, 3, 32, 32), 0.4)
    losses = [(room.jpeg(rough, quality) - rough).abs().mean() for quality in (95, 75, 20)]
    assert losses[0] < losses[1] < losses[2]
    assert (room.jpeg(smooth, 75) - smooth).abs().max() < 0.01


def test_wrong_colours_numbers_and_qualities_are_refused():
    images, whole = random_images(2, 3, 8, 8), torch.ones(2, 1, 8, 8)
    views = room.straight_views(3)
    with pytest.raises(ValueError, match="3 views need as many backgrounds, got 2"):
        room.photograph(images, whole, images, views, generator(0))
    with pytest.raises(ValueError, match=r"canvas must lie in \[0, 1\], got .* to 2"):
        room.photograph(2 + 0 * images, whole, images, room.straight_views(2), generator(0))
    with pytest.raises(ValueError, match="quality is 0"):
        room.jpeg(images, 0)
