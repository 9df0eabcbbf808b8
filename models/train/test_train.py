"""Fast checks of the parts that go wrong silently. Run: python -m unittest test_train"""

import tempfile
import unittest
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx
import torch

import stem
import verifier
from arrange import Arranger, arranged

from boxes import ciou, decode, encode, iou, suppress
from compose import MIXES, Composer, Layer, draw, shared_out, targets
from corroboration import corroborated
from data import LEVELS, MOST, PAD, Pictures
from evaluate import Row, Sample, corrected, likewise, outcomes, precision
from detect import Found
from examples import FOUND, LABEL, boxes
from export import difference, export, session
from figures import Body, made
from fit_int8 import ROW, Rounded, ends, unlike
from loss import Loss, Targets, apart, assign
from network import FACE, PERSON, PLANS, VEHICLE, Nano, grid
from opinion import Opinions
from pack import SIDE, label_rows
from photo import Photo
from quantise import OPERATORS, VERIFIER, quantise
from render import Camera, Canvas, Limb
from thaw import thawed
from train_verifier import WEIGHT, Layers

PLAN = PLANS["wide"]


def box(*corners: float) -> torch.Tensor:
    return torch.tensor([corners], dtype=torch.float32)


def one_picture(rows: list[tuple], width: int = 320, height: int = 192) -> Pictures:
    """A bright picture with these labels."""
    labels = torch.zeros(1, MOST, 7)
    labels[..., 4] = -1
    for i, row in enumerate(rows):
        labels[0, i] = torch.tensor(row)
    levels = [torch.full((1, 3, SIDE >> k, SIDE >> k), PAD, dtype=torch.uint8) for k in range(LEVELS)]
    for k, level in enumerate(levels):
        level[..., : height >> k, : width >> k] = 250
    return Pictures(levels, labels, torch.tensor([[width, height]]).float(), torch.tensor([False]))


def layer(window: tuple, scale: float = 1.0, shift: tuple = (0.0, 0.0)) -> Layer:
    return Layer(
        torch.zeros(1, dtype=torch.long), torch.full((1, 2), scale), box(*shift), box(*window), torch.ones(1), torch.ones(1)
    )  # fmt: skip


class Boxes(unittest.TestCase):
    def test_coding_there_and_back(self):
        cells, strides = grid(PLAN)
        some = torch.rand(len(cells), 2) * 100
        boxes = torch.cat([some, some + 5 + torch.rand(len(cells), 2) * 90], 1)
        torch.testing.assert_close(decode(encode(boxes, cells, strides), cells, strides), boxes, atol=1e-3, rtol=1e-4)

    def test_overlap_and_its_complete_form(self):
        a, b = box(0, 0, 10, 10), box(5, 0, 15, 10)
        self.assertAlmostEqual(float(iou(a, b)), 1 / 3, places=4)
        self.assertAlmostEqual(float(ciou(a, a)), 1, places=4)
        self.assertLess(float(ciou(a, box(50, 50, 60, 60))), 0)

    def test_the_lower_edge_counts_more_than_the_upper_one(self):
        a = box(0, 0, 40, 100)
        self.assertEqual(float(apart(a, a)), 0)
        self.assertGreater(float(apart(box(0, 0, 40, 110), a)), float(apart(box(0, -10, 40, 100), a)))

    def test_of_two_doubles_the_stronger_stays(self):
        boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [50, 50, 60, 60]], np.float32)
        self.assertEqual(suppress(boxes, np.array([0.5, 0.9, 0.3]), 0.45).tolist(), [1, 2])


class Assignment(unittest.TestCase):
    def setUp(self):
        self.cells, self.strides = grid(PLAN)
        self.centres = (self.cells + 0.5) * self.strides

    def rows_for(self, target: torch.Tensor) -> torch.Tensor:
        guess = decode(torch.zeros(1, PLAN.rows(), 4), self.cells, self.strides)
        score = torch.full((1, PLAN.rows(), 1), 0.01)
        zero = torch.zeros(1, dtype=torch.long)
        return assign(guess, score, target, zero, zero, self.centres, self.strides)

    def test_a_tiny_face_finds_rows_of_the_finest_stride(self):
        at, which, worth = self.rows_for(box(100, 80, 106, 88))
        self.assertGreater(len(at), 0)
        self.assertEqual(float(self.strides[at[worth.argmax()]]), 8)
        self.assertTrue(((worth > 0) & (worth <= 1)).all())

    def test_rows_lie_within_reach_of_their_box(self):
        target = box(40, 40, 140, 150)
        at, _, _ = self.rows_for(target)
        self.assertTrue(((self.centres[at] > target[:, :2]) & (self.centres[at] < target[:, 2:])).all())

    def test_an_ignored_box_gives_no_loss_for_its_class_alone(self):
        loss, none = Loss(PLAN), torch.zeros(0, 4)
        empty = torch.zeros(0, dtype=torch.long)
        zero = torch.zeros(1, dtype=torch.long)
        logit = torch.zeros(1, PLAN.rows(), 2)

        def told(kind: int) -> torch.Tensor:
            t = Targets(none, empty, empty, box(80, 80, 120, 120), zero, zero + kind)
            return loss.told(logit, t, (PERSON, VEHICLE))

        inside = ((self.centres > 80) & (self.centres < 120)).all(1)
        self.assertEqual(float(told(PERSON)[0, inside, 0].sum()), 0)
        self.assertTrue((told(PERSON)[0, :, 1] == 1).all())
        self.assertTrue((told(FACE) == 1).all())

    def test_the_loss_is_near_zero_for_the_right_answer(self):
        target, of, kind = box(60, 30, 120, 150), torch.zeros(1, dtype=torch.long), torch.tensor([PERSON])
        right = torch.full((1, PLAN.rows(), 11), -12.0)
        right[..., 5:9] = encode(target.expand(PLAN.rows(), 4), self.cells, self.strides)
        none = torch.zeros(0, 4), of[:0], of[:0]
        parts = Loss(PLAN)(right, Targets(target, of, kind, *none))
        self.assertLess(float(parts["object_box"]), 1e-3)
        self.assertGreater(float(parts["object_score"]), 1)
        self.assertLess(float(parts["face_score"]), 0.1)


class Composition(unittest.TestCase):
    canvas = torch.tensor([320.0, 192.0])
    face = (100.0, 50.0, 120.0, 80.0, FACE, 0.0, 1.0)

    def test_labels_move_with_their_picture(self):
        known = one_picture([self.face])
        t = targets([layer((-9, -9, 999, 999), 0.5, (10, 20))], [known.labels], self.canvas)
        self.assertEqual(t.box.tolist(), [[60, 45, 70, 60]])

    def test_what_a_later_layer_covers_is_ignored_or_gone(self):
        known = one_picture([self.face])
        base = layer((-9, -9, 999, 999))
        for window, sure, ignored in (((200, 0, 300, 100), 1, 0), ((90, 40, 112, 90), 0, 1), ((90, 40, 130, 90), 0, 0)):
            # The upper layer shows an empty corner of the same picture.
            upper = layer(window, 1.0, (300.0, 300.0))
            t = targets([base, upper], [known.labels] * 2, self.canvas)
            self.assertEqual((len(t.box), len(t.ignored)), (sure, ignored), window)

    def test_a_pasted_face_is_where_its_label_says(self):
        known = one_picture([self.face])
        dark = layer((-9, -9, 999, 999), 1.0, (999.0, 999.0))
        upper = layer((30, 30, 50, 60), 1.0, (-70.0, -20.0))
        t = targets([dark, upper], [known.labels] * 2, self.canvas)
        self.assertEqual(t.box.tolist(), [[30, 30, 50, 60]])
        canvas = draw([dark, upper], known, PLAN)[0, 0]
        self.assertGreater(float(canvas[45, 40]), 240)
        self.assertAlmostEqual(float(canvas[100, 100]), PAD, places=1)

    def test_labels_stay_on_the_canvas_in_both_mixes(self):
        person = (140.0, 20.0, 180.0, 150.0, PERSON, 0.0, 1.0)
        for mix in MIXES.values():
            _, t = Composer(one_picture([self.face, person]), PLAN, mix, 1).batch(64)
            self.assertGreater(len(t.box), 64)
            self.assertTrue((t.box >= 0).all() and (t.box[:, 2:] <= self.canvas).all())

    def test_the_same_seed_draws_the_same(self):
        known = one_picture([self.face])
        a, b = (Composer(known, PLAN, MIXES["plain"], 5).batch(8)[1] for _ in range(2))
        torch.testing.assert_close(a.box, b.box)


    def test_made_pictures_have_their_share(self):
        weight = shared_out(torch.tensor([1.0, 3.0, 5.0, 5.0]), torch.tensor([False, False, True, True]), 0.25)
        self.assertAlmostEqual(float(weight[2:].sum() / weight.sum()), 0.25, places=5)
        alone = torch.ones(3)
        self.assertTrue(torch.equal(shared_out(alone, torch.zeros(3, dtype=torch.bool), 0.25), alone))


class Rendering(unittest.TestCase):
    camera = Camera(384, 216, 300.0, 0.4, 3.0, 0.03)

    def test_a_pixel_of_the_floor_is_seen_where_it_was_asked_for(self):
        flat, depth = self.camera.project(self.camera.floor(np.array([100.0, 150.0])))
        np.testing.assert_allclose(flat, [100, 150], atol=1e-6)
        self.assertGreater(depth, 0)
        self.assertIsNone(self.camera.floor(np.array([100.0, -200.0])))

    def test_the_nearer_limb_hides_the_farther_one(self):
        canvas = Canvas(np.zeros((216, 384, 3), np.float32), np.array([0.0, 0.0, 1.0]), 1.0)
        bright = np.full((2, 2, 3), 200, np.float32)
        for y, who in ((4.0, 1), (6.0, 2)):
            place = np.array([0.0, y, 0.0])
            canvas.limb(self.camera, Limb(place, place + [0, 0, 1.7], 0.3, 0.3, bright), who)
        ends, _ = self.camera.project(np.array([[0.0, 4.0, 0.8]]))
        self.assertEqual(canvas.who[int(ends[0, 1]), int(ends[0, 0])], 1)
        self.assertIn(2, canvas.who)

    def test_a_body_stands_on_the_floor(self):
        photo = np.full((64, 64, 3), 90, np.uint8)
        for seed in range(20):
            body = Body(np.random.default_rng(seed), [photo])
            limbs = body.standing(np.array([1.0, 5.0, 0.0]), 0.7)
            self.assertAlmostEqual(min(min(v.a[2] - v.ra, v.b[2] - v.rb) for v in limbs), 0, places=6)
            self.assertLess(max(v.b[2] for v in limbs), 1.2 * body.stature)


class Rest(unittest.TestCase):
    def test_spoilt_pictures_stay_pictures(self):
        torch.manual_seed(1)
        x = Photo(torch.device("cpu"), 1)(torch.rand(32, 3, 192, 320) * 255)
        self.assertTrue(torch.isfinite(x).all() and x.min() >= 0 and x.max() <= 255)

    def test_drawn_people_lie_in_their_picture(self):
        photos = [np.full((200, 300, 3), 90, np.uint8)]
        for i in range(20):
            picture, rows = made(np.random.default_rng(i), photos)
            h, w = picture.shape[:2]
            self.assertTrue((rows[:, :2] >= 0).all() and (rows[:, 2] <= w).all() and (rows[:, 3] <= h).all())

    def test_a_verdict_corrects_the_labels(self):
        rows = np.array([[0, 0, 10, 20, PERSON, 0, 0.5], [50, 0, 60, 20, FACE, 0, 0.9]], np.float32)
        mine, other = np.array([0, 0, 10, 20.4]), np.array([30, 0, 40, 20.0])
        for said, label, expected in (
            ("person", True, [0]), ("nobody", True, []), ("badly", True, [1]), ("unclear", True, [1]),
            ("person", False, [0, 0]), ("nobody", False, [0]), ("badly", False, [0]), ("unclear", False, [0, 1]),
        ):  # fmt: skip
            told = corrected(rows, mine if label else other, said, label)
            self.assertEqual(told[told[:, 4] == PERSON, 5].tolist(), expected, (said, label))
            self.assertEqual((told[:, 4] == FACE).sum(), 1)

    def test_labels_of_all_vehicles_are_one_class(self):
        entry = {"faces": [[1, 2, 3, 4, 0.9]], "objects": [[7, 0, 0, 8, 8, 0.5]], "ignore": [[-1, 5, 5, 2, 2, 0.4]]}
        self.assertEqual(label_rows(entry)[:, 4:6].tolist(), [[FACE, 0], [VEHICLE, 0], [FACE, 1]])

    def test_a_box_on_an_ignored_one_counts_for_nothing_and_a_double_is_false(self):
        rows = np.array([[0, 0, 10, 10, 0, 0, 1], [50, 50, 60, 60, 0, 1, 1]], np.float32)
        boxes = np.array([[0, 0, 10, 10], [1, 0, 10, 10], [50, 50, 60, 60]], np.float32)
        found = Found(boxes, np.zeros(3, int), np.array([0.9, 0.8, 0.7]))
        got = outcomes(Sample(np.zeros((1, 1, 3)), rows, (0,)), found, 0)
        self.assertEqual([hit for _, hit in got], [True, False])
        self.assertAlmostEqual(precision(np.array([True, False]), 1), 1.0)
        self.assertEqual(precision(np.array([], bool), 3), 0.0)

    def test_recall_at_as_many_false_boxes_as_the_teacher_has(self):
        teacher = Row("val", "teacher", "face", 0.6, 9, 4, 1, 0.9, np.zeros(0, bool))
        for hits, found in (([1, 0, 1, 1, 0, 1], 3), ([0, 0, 1], 0), ([1, 1], 2), ([], 0)):
            mine = Row("val", "mine", "face", 0.5, 9, 9, 9, 0.9, np.array(hits, bool))
            told = likewise(teacher, mine)
            self.assertEqual((told.found, told.teacher_found, told.false), (found, 4, 1))

    def test_doubtful_boxes_are_told_with_the_mean_of_two_looks(self):
        picture, looks = np.zeros((720, 1280, 3), np.uint8), []
        whole = Found(
            np.array([[100, 300, 150, 440], [700, 300, 750, 440], [900, 300, 950, 440], [300, 9, 400, 60.0]]),
            np.array([PERSON, PERSON, PERSON, VEHICLE]),
            np.array([0.9, 0.6, 0.48, 0.5]),
        )

        def net(seen: np.ndarray) -> Found:
            looks.append(seen.shape)
            if seen.shape == picture.shape:
                return whole
            # The third person's, seen a little larger; then nothing.
            x, y = 900 - 732, 300 - 258
            box = np.array([[x, y, x + 52, y + 145.0]])[: len(looks) == 2]
            return Found(box, np.array([PERSON])[: len(box)], np.array([0.8])[: len(box)])

        net.width, net.height = 384, 224
        told = Opinions(net, {PERSON: (0.3, 0.7)}, 0.25)(picture)
        self.assertEqual(looks, [(720, 1280, 3), (224, 384, 3), (224, 384, 3)])
        np.testing.assert_allclose(told.score, [0.9, 0.3, 0.64, 0.5])
        self.assertEqual(whole.score[1], 0.6)

    def test_the_export_says_what_the_network_says(self):
        torch.manual_seed(1)
        net = Nano(PLAN)
        net.train()(torch.rand(4, 3, PLAN.height, PLAN.width) * 255)
        with tempfile.TemporaryDirectory() as folder:
            # It checks itself against the network.
            export(net, (0.5, -0.5, 0.25), Path(folder) / "nano.onnx")

    def test_a_thawed_network_says_what_its_file_says_and_knows_what_it_sees(self):
        torch.manual_seed(2)
        net = Nano(PLAN)
        net.train()(torch.rand(4, 3, PLAN.height, PLAN.width) * 255)
        for head in net.head:
            # Or the file holds the three that are alike but once.
            torch.nn.init.normal_(head.out.bias)
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "nano.onnx"
            export(net, (0.0, 0.0, 0.0), file)
            again = thawed(file, "wide", one_picture([(100.0, 50.0, 120.0, 80.0, FACE, 0.0, 1.0)]))
            self.assertLess(difference(again, (0.0, 0.0, 0.0), file), 2e-3)
        for norm in (m for m in again.modules() if isinstance(m, torch.nn.BatchNorm2d)):
            self.assertGreater(float((norm.running_var - (1 - norm.eps)).abs().min()), 0)


class Corroborating(unittest.TestCase):
    def test_a_face_speaks_for_the_strongest_doubtful_person_whose_head_it_may_be(self):
        person, beside, face, feet = [100, 20, 140, 140], [105, 20, 145, 140], [112, 25, 126, 42], [112, 120, 126, 137]

        def told(*found: tuple[list[int], int, float]) -> list[float]:
            box, kind, score = zip(*found)
            given = Found(np.array(box, float), np.array(kind), np.array(score))
            return list(corroborated(given, (0.3, 0.7), np.log(2)).score.round(3))

        self.assertEqual(told((person, PERSON, 0.5), (face, FACE, 0.5)), [0.667, 0.5])
        for other, score in ((face, 0.49), (feet, 0.9), (person, 0.9)):
            self.assertEqual(told((person, PERSON, 0.5), (other, FACE, score))[0], 0.5)
        for score in (0.29, 0.71):
            self.assertEqual(told((person, PERSON, score), (face, FACE, 0.9))[0], score)
        self.assertEqual(told((beside, PERSON, 0.5), (face, FACE, 0.9), (person, PERSON, 0.8)), [0.5, 0.9, 0.8])
        self.assertEqual(told(([5, 5, 5, 5], PERSON, 0.5), ([4, 4, 6, 6], FACE, 0.9))[0], 0.5)


class Verifying(unittest.TestCase):
    def test_a_box_lies_in_the_middle_and_outside_is_grey(self):
        picture = np.zeros((100, 200, 3), np.uint8)
        picture[40:60, 0:15] = 255
        seen = verifier.crop(picture, np.array([0.0, 40.0, 15.0, 60.0]))
        self.assertEqual(seen.shape, (verifier.HEIGHT, verifier.WIDTH, 3))
        rows, columns = np.nonzero((seen == 255).all(2))
        self.assertAlmostEqual(float(rows.mean()), verifier.HEIGHT / 2, delta=4)
        self.assertAlmostEqual(float(columns.mean()), verifier.WIDTH / 2, delta=4)
        self.assertTrue((seen[:, 0] == verifier.PAD).all())
        # The same boxes and windows as in the test of src/infer/verifier.rs.
        for box, (left, top, right, bottom) in [
            ((600, 200, 660, 400), (520, 154, 739, 445)),
            ((500, 280, 700, 320), (454, 106, 745, 493)),
            ((-60, -60, 0, 140), (-140, -106, 79, 185)),
            ((640, 360, 640.1, 360.1), (636, 356, 643, 364)),
        ]:
            self.assertEqual(verifier.window(np.array(box, float)), (left, top, right, bottom))
        self.assertIsNone(verifier.crop(picture, np.array([300.0, 40.0, 315.0, 60.0])))

    def test_odds_are_added_within_the_range_asked_about(self):
        class Doubting:
            def get_inputs(self):
                return [SimpleNamespace(name="images", type="tensor(float)")]

            def run(self, *_):
                return [np.array([[-1.0, 5.0]])]

        mine = verifier.Verifier.__new__(verifier.Verifier)
        mine.run, mine.asked, mine.least = Doubting(), {FACE: (0.25, 0.9)}, 0.25
        box = np.tile([10.0, 10.0, 30.0, 40.0], (4, 1))
        found = Found(box, np.array([FACE, FACE, FACE, PERSON]), np.array([0.5, 0.3, 0.95, 0.5]))
        told = mine(np.zeros((60, 60, 3), np.uint8), found).score
        np.testing.assert_allclose(told, [1 / (1 + np.e), 0.25, 0.95, 0.5], atol=1e-6)

    def test_what_is_ignored_or_in_between_is_no_example(self):
        rows = np.array([[50, 50, 90, 90, FACE, 0, 1], [150, 50, 190, 90, FACE, 1, 0]], np.float32)
        found = Found(np.array([[50, 50, 90, 90], [150, 50, 190, 90], [66, 50, 106, 90], [10, 10, 40, 40]], float),
                      np.full(4, FACE), np.full(4, 0.5))  # fmt: skip
        _, right, source = boxes(rows, found, FACE, (240, 120), np.random.default_rng(1))
        self.assertEqual(list(right[source == FOUND]), [True, False])
        self.assertTrue(right[source == LABEL].all() and len(right[source == LABEL]) == 2)

    def test_the_file_says_what_the_layers_say(self):
        net = Layers(0.7).eval()
        whole = Path(__file__).resolve().parents[1] / "pingan-nano" / "pingan_nano.onnx"
        x = np.random.default_rng(1).uniform(0, 255, (2, 3, verifier.HEIGHT, verifier.WIDTH)).astype(np.float32)
        with tempfile.TemporaryDirectory() as folder:
            back, out = Path(folder) / "back.onnx", Path(folder) / "out.onnx"
            onnx.save(verifier.backbone(whole), back)
            verifier.export(whole, net.weights(), out)
            maps = session(back).run(list(verifier.MAPS), {"images": x})
            said = session(out).run(None, {"images": x})[0]
        with torch.no_grad():
            raw = net(torch.from_numpy(np.concatenate([m.reshape(2, -1) for m in maps], 1))).numpy()
        np.testing.assert_allclose(said, raw * np.array(WEIGHT), atol=1e-3)


def smooth(seed: int, height: int, width: int) -> np.ndarray:
    """A picture in which neighbours are alike, [1, 3, height, width], whole numbers."""
    lot = np.random.default_rng(seed)
    coarse = torch.from_numpy(lot.uniform(0, 255, (1, 3, height // 16, width // 16)))
    large = torch.nn.functional.interpolate(coarse, size=(height, width), mode="bilinear")
    return np.rint(large.numpy() + lot.normal(0, 3, large.shape)).clip(0, 255).astype(np.float32)


class Rounding(unittest.TestCase):
    """Has the detector rounded to 8 bits, with made-up pictures."""

    @classmethod
    def setUpClass(cls):
        precise = Path(__file__).resolve().parents[1] / "pingan-nano" / "pingan_nano.onnx"
        cls.pictures = [smooth(i, 224, 384) for i in range(3)]
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "small.onnx"
            quantise(precise, cls.pictures, OPERATORS, path)
            cls.small = onnx.load(path)
        cls.floats = {i.name: onnx.numpy_helper.to_array(i) for i in onnx.load(precise).graph.initializer}


class Arranged(Rounding):
    def said(self, model: onnx.ModelProto, picture: np.ndarray) -> np.ndarray:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.onnx"
            onnx.save(model, path)
            run = session(path)
            return run.run(None, stem.fed(run, picture))[0]

    def test_each_pixel_has_its_place_in_a_block(self):
        x = np.arange(3 * 4 * 6, dtype=np.float32).reshape(1, 3, 4, 6)
        seen = stem.blocks(x)
        self.assertEqual(seen.shape, (1, 2, 3, 12))
        for colour, row, column in np.ndindex(3, 4, 6):
            at = (row % 2 * 3 + colour) * 2 + column % 2
            self.assertEqual(seen[0, row // 2, column // 2, at], x[0, colour, row, column])

    def test_the_weights_over_blocks_are_the_same_convolution(self):
        lot = np.random.default_rng(1)
        x, weight = lot.integers(0, 255, (1, 3, 8, 12)), lot.integers(-9, 9, (5, 3, 3, 3))
        x, weight = x.astype(np.float32), weight.astype(np.float32)
        wanted = torch.nn.functional.conv2d(torch.from_numpy(x), torch.from_numpy(weight), stride=2, padding=1)
        seen = torch.from_numpy(stem.blocks(x).astype(np.float32)).permute(0, 3, 1, 2)
        seen = torch.nn.functional.pad(seen, (1, 0, 1, 0))
        torch.testing.assert_close(
            torch.nn.functional.conv2d(seen, torch.from_numpy(stem.over_blocks(weight))), wanted
        )

    def test_errors_of_weights_undo_each_other_and_fit_16_bits(self):
        lot = np.random.default_rng(1)
        weight, offset = lot.normal(0, 0.01, (4, 3, 3, 3)), lot.normal(0, 1, 4)
        whole, scale, moved = stem.rounded(weight, offset, self.pictures)
        self.assertLessEqual(255 * 2 * int(np.abs(whole.astype(int)).max()), 32767)
        seen = np.lib.stride_tricks.sliding_window_view(smooth(9, 224, 384)[0], (3, 3), (1, 2))

        def off(other: np.ndarray, offset_: np.ndarray) -> float:
            return np.abs(np.einsum("cyxab,ncab->nyx", seen, other - weight) + (offset_ - offset)[:, None, None]).mean()

        plain = np.abs(weight).max((1, 2, 3), keepdims=True) / stem.LARGEST
        by_itself = off(np.rint(weight / plain) * plain, offset)
        self.assertLess(off(whole * scale[:, None, None, None], moved), by_itself / 4)

    def test_only_the_first_convolution_says_anything_else_than_before(self):
        work = Arranger(self.small)
        work.scalar_scales()
        work.doubled_by_copying()
        work.heads_by_pixel()
        same, whole = work.done(), arranged(self.small, self.pictures)
        self.assertFalse({"Resize", "Relu"} & {n.op_type for n in whole.graph.node})
        picture = smooth(7, 224, 384)
        before = self.said(self.small, picture)
        np.testing.assert_allclose(self.said(same, picture), before, atol=1e-4)
        near = np.abs(self.said(whole, picture) - before)
        self.assertLess(near[..., 5:].mean(), 1e-3)
        self.assertLess(near[..., :4].mean(), 0.05)

    def test_the_verifier_says_of_several_what_it_says_of_each(self):
        whole = Path(__file__).resolve().parents[1] / "pingan-nano" / "pingan_nano_verifier.onnx"
        faces = np.concatenate([smooth(i, verifier.HEIGHT, verifier.WIDTH) for i in range(4)])
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "small.onnx"
            quantise(whole, [f[None] for f in faces], OPERATORS + VERIFIER, path)
            small = arranged(onnx.load(path), [f[None] for f in faces])
        together = self.said(small, faces)
        np.testing.assert_array_equal(together, np.concatenate([self.said(small, f[None]) for f in faces]))
        np.testing.assert_allclose(together, session(whole).run(None, {"images": faces})[0], atol=0.3)
        self.assertGreater(np.abs(np.diff(together, axis=0)).max(), 0.3)


class Fitted(Rounding):
    def setUp(self):
        torch.manual_seed(1)
        self.net = Rounded(self.small, self.floats)

    def test_the_file_says_what_was_learnt(self):
        x = torch.rand(1, 3, 224, 384) * 255
        with torch.no_grad():
            before = self.net(x)
            for name, at in self.net.place.items():
                self.net.learnt[at].mul_(1.05) if name not in self.net.scales else self.net.learnt[at].add_(0.05)
            wanted = self.net(x)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "out.onnx"
            file = self.net.written(self.small)
            file.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in ends(self.small))
            onnx.save(file, path)
            said = session(path).run(ends(self.small), {"images": x.numpy()})
        for was, want, got in zip(before, wanted, said):
            off = (want - torch.from_numpy(got)).abs().mean()
            self.assertLess(float(off), 0.1 * float((want - was).abs().mean()))

    def test_everything_that_is_rounded_learns(self):
        sum(m.square().sum() for m in self.net(torch.rand(1, 3, 224, 384) * 255)).backward()
        idle = [name for name, at in self.net.place.items() if not self.net.learnt[at].grad.any()]
        self.assertEqual(idle, [])

    def test_only_what_a_row_tells_counts_and_boxes_where_something_is(self):
        wanted = torch.full((1, 2 * ROW, 1, 1), -9.0)
        self.assertAlmostEqual(float(unlike((wanted,), (wanted,))), 0.0, 4)
        person = 1
        for row, channel, counts in ((0, 5 + person, False), (1, 5 + person, True), (0, 4, False), (1, 0, False)):
            said = wanted.clone()
            said[0, row * ROW + channel] += 9.0
            self.assertEqual(float(unlike((said,), (wanted,))) > 0.1, counts, (row, channel))


if __name__ == "__main__":
    unittest.main()
