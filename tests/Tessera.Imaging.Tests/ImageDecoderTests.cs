using SkiaSharp;
using Tessera.Imaging.Tests.Fixtures;

namespace Tessera.Imaging.Tests;

public class ImageDecoderTests
{
    private static readonly SKColor[] Quadrants = [SKColors.Red, SKColors.Lime, SKColors.Blue, SKColors.White];

    [Theory]
    [InlineData(SKEncodedImageFormat.Jpeg, 3)] // the colour conversion rounds
    [InlineData(SKEncodedImageFormat.Png, 0)]
    [InlineData(SKEncodedImageFormat.Webp, 0)]
    public void Reads_What_Skia_Wrote(SKEncodedImageFormat format, int tolerance) =>
        ShouldBeQuadrants(Encoded.Skia(format, 16, 8, Quadrant), 3, tolerance, Quadrants);

    [Fact]
    public void Reads_A_Bitmap_From_The_Bottom_Up() => ShouldBeQuadrants(Encoded.Bmp(15, 8, (x, y) => Quadrant(x, y)), 3, 0, Quadrants, width: 15);

    [Fact]
    public void Reads_A_Palette() =>
        ShouldBeQuadrants(Encoded.PalettePng(16, 8, Quadrants, (x, y) => (byte)((y / 4 * 2) + (x / 8))), 3, 0, Quadrants);

    [Fact]
    public void Composites_A_Transparent_Palette_Over_White()
    {
        SKColor[] palette = [new(255, 0, 0, 0), new(0, 0, 0, 128), new(0, 0, 255, 255)];

        var pixels = Decode(Encoded.PalettePng(3, 1, palette, (x, _) => (byte)x), new ImageShape(3, 1, 3));

        pixels.ShouldBe([255, 127, 0, 255, 127, 0, 255, 127, 255]);
    }

    [Theory]
    [InlineData(0, 255)]
    [InlineData(51, 204)] // a fifth of black over white
    [InlineData(255, 0)]
    public void Composites_Transparency_Over_White(byte alpha, byte expected) =>
        Decode(Encoded.Png(4, 4, new SKColor(0, 0, 0, alpha)), new ImageShape(1, 4, 4)).ShouldAllBe(value => value == expected);

    [Fact]
    public void Shows_The_First_Frame_Of_An_Animation()
    {
        var gif = Encoded.Gif(6, 4, Quadrants, 2, 1);

        var pixels = Decode(gif, new ImageShape(3, 4, 6));

        pixels.ShouldBe([.. Enumerable.Repeat((byte)0, 48), .. Enumerable.Repeat((byte)255, 24)]);
    }

    [Theory]
    [InlineData(SKEncodedImageFormat.Jpeg)]
    [InlineData(SKEncodedImageFormat.Png)]
    public void Gives_A_Grey_Picture_Three_Equal_Channels_Or_One(SKEncodedImageFormat format)
    {
        var grey = Encoded.Grey(format, 8, 8, (x, _) => (byte)(x < 4 ? 40 : 200));

        var one = Decode(grey, new ImageShape(1, 8, 8));
        var three = Decode(grey, new ImageShape(3, 8, 8));

        one[0].ShouldBeInRange((byte)39, (byte)41);
        one[7].ShouldBeInRange((byte)199, (byte)201);
        three.ShouldBe([.. one, .. one, .. one]);
    }

    /// <remarks>Pillow's convert("L") of the same colours.</remarks>
    [Theory]
    [InlineData(255, 0, 0, 76)]
    [InlineData(0, 255, 0, 150)]
    [InlineData(0, 0, 255, 29)]
    [InlineData(10, 200, 90, 131)]
    public void One_Channel_Is_Luma(byte red, byte green, byte blue, byte luma) =>
        Decode(Encoded.Png(5, 3, new SKColor(red, green, blue)), new ImageShape(1, 3, 5)).ShouldAllBe(value => value == luma);

    /// <remarks>The EXIF standard: where row 0 and column 0 of the stored picture belong. A B / C D is how it is stored.</remarks>
    [Theory]
    [InlineData(1, "ABCD")]
    [InlineData(2, "BADC")]
    [InlineData(3, "DCBA")]
    [InlineData(4, "CDAB")]
    [InlineData(5, "ACBD")]
    [InlineData(6, "CADB")]
    [InlineData(7, "DBCA")]
    [InlineData(8, "BDAC")]
    public void Turns_A_Picture_As_Its_Exif_Says(int orientation, string shown)
    {
        using var folder = new TemporaryFolder();
        var jpeg = Encoded.WithOrientation(Encoded.Jpeg(32, 16, (x, y) => Quadrants[(y / 8 * 2) + (x / 16)]), orientation);
        var (width, height) = orientation < 5 ? (32, 16) : (16, 32);
        SKColor[] expected = [.. shown.Select(letter => Quadrants[letter - 'A'])];

        ShouldBeQuadrants(jpeg, 3, 3, expected, width, height);
        ShouldBeQuadrants(jpeg, 3, 40, expected, width / 2, height / 2); // resized on the way
        var facts = ImageDecoder.Examine(folder.Write("turned.jpg", jpeg));
        facts.ShouldBe(new ImageFacts(width, height, 3, "JPEG"));
    }

    [Fact]
    public void Crops_From_The_Centre()
    {
        // A white square in the middle of a black strip: exactly what remains.
        var strip = Encoded.Png(30, 10, (x, _) => x is >= 10 and < 20 ? SKColors.White : SKColors.Black);
        Decode(strip, new ImageShape(1, 10, 10)).ShouldAllBe(value => value == 255);
    }

    [Fact]
    public void A_Large_Jpeg_Reduced_While_Decoding_Looks_Like_One_That_Is_Not()
    {
        static SKColor Colour(int x, int y) => new((byte)(x / 2), (byte)(y / 2), (byte)((x + y) / 4));
        var shape = new ImageShape(3, 32, 32);

        var reduced = Decode(Encoded.Jpeg(512, 512, Colour), shape); // by four while decoding
        var filtered = Decode(Encoded.Png(512, 512, Colour), shape); // by the filter alone

        reduced.Zip(filtered).Max(pair => Math.Abs(pair.First - pair.Second)).ShouldBeLessThanOrEqualTo(2);
    }

    [Theory]
    [InlineData(SKEncodedImageFormat.Jpeg)]
    [InlineData(SKEncodedImageFormat.Png)]
    [InlineData(SKEncodedImageFormat.Webp)]
    public void Refuses_A_File_Cut_Short(SKEncodedImageFormat format)
    {
        var whole = Encoded.Skia(format, 64, 64, (x, y) => new SKColor((byte)(x * y), (byte)(x * 7 + y * 13), (byte)(x ^ y)));
        foreach (var share in new[] { 0.3, 0.6, 0.9 })
            Broken(whole[..(int)(whole.Length * share)]).Reason.ShouldMatch("^is (cut short|damaged|not a picture)");
    }

    [Fact]
    public void Refuses_A_Bitmap_Or_Animation_Cut_Short()
    {
        Broken(Encoded.Bmp(20, 20, (_, _) => SKColors.Red)[..^100]).Reason.ShouldBe("is cut short: part of the picture is missing");
        Broken(Encoded.Gif(40, 40, Quadrants, 1)[..^300]).Reason.ShouldBe("is cut short: part of the picture is missing");
    }

    [Fact]
    public void Says_What_Is_Wrong_With_A_File()
    {
        using var folder = new TemporaryFolder();
        var shape = new ImageShape(3, 8, 8);
        string ReasonOf(string file) => Should.Throw<BrokenImageException>(() => ImageDecoder.Decode(file, shape, new byte[shape.Pixels])).Reason;

        ReasonOf(folder.Write("empty.png", [])).ShouldBe("is empty");
        ReasonOf(folder.Write("text.png", "not a picture")).ShouldBe("is not a picture that can be read (JPEG, PNG, WebP, BMP or GIF)");
        ReasonOf(folder.Path).ShouldBe("is a folder, not a picture");
    }

    [Fact]
    public void Refuses_A_Picture_That_Would_Fill_The_Memory()
    {
        // A PNG header that promises 4.3 thousand million pixels.
        var bomb = Encoded.PalettePng(65535, 1, Quadrants, (_, _) => 0);
        (bomb[20], bomb[21], bomb[22], bomb[23]) = (0, 0, 0xFF, 0xFF);
        System.Buffers.Binary.BinaryPrimitives.WriteUInt32BigEndian(bomb.AsSpan(29), System.IO.Hashing.Crc32.HashToUInt32(bomb.AsSpan(12, 17)));

        Broken(bomb).Reason.ShouldBe("has 65535×65535 pixels, more than the 134 million that are read");
    }

    /// <remarks>Reduced by eight while it is decoded it would have 56 million, and pass; a progressive one would keep 22 GB of coefficients until then.</remarks>
    [Fact]
    public void Counts_A_Jpegs_Pixels_Before_It_Is_Reduced() =>
        Broken(Encoded.WithSize(Encoded.Jpeg(64, 64, (_, _) => SKColors.Red), 60000, 60000)).Reason.ShouldBe("has 60000×60000 pixels, more than the 134 million that are read");

    [Fact]
    public void Refuses_A_Picture_That_Claims_More_Than_Its_File_Can_Hold()
    {
        byte[] flat = Encoded.FlatPng(4096, 2304), cut = Encoded.FlatPng(4096, 4096, rows: 10);
        var jpeg = Encoded.WithSize(Encoded.Jpeg(64, 64, (_, _) => SKColors.Red), 4000, 3000);

        Decode(flat, new ImageShape(1, 9, 16)).ShouldAllBe(value => value == 0); // the flattest there is: 9.4 million pixels, of which each byte holds 7,000
        flat.Length.ShouldBeLessThan(1400);
        Broken(cut).Reason.ShouldBe($"claims 4096×4096 pixels, which its {cut.Length} bytes cannot hold");
        Broken(jpeg).Reason.ShouldBe($"claims 4000×3000 pixels, which its {jpeg.Length} bytes cannot hold");
        DecodingMemory.OfProcess.Queued.ShouldBe(0);
    }

    [Fact]
    public void Names_The_Picture_In_The_Message() =>
        Broken([1, 2, 3]).Message.ShouldBe("picture is not a picture that can be read (JPEG, PNG, WebP, BMP or GIF).");

    [Fact]
    public void Refuses_A_Buffer_That_Is_Too_Small() =>
        Should.Throw<ArgumentException>(() => ImageDecoder.Decode(Encoded.Png(2, 2, SKColors.Red), "picture", new ImageShape(3, 2, 2), new byte[11]));

    private static SKColor Quadrant(int x, int y) => Quadrants[(y / 4 * 2) + (x / 8)];

    private static byte[] Decode(byte[] encoded, ImageShape shape)
    {
        var pixels = new byte[shape.Pixels];
        ImageDecoder.Decode(encoded, "picture", shape, pixels);
        return pixels;
    }

    private static BrokenImageException Broken(byte[] encoded) =>
        Should.Throw<BrokenImageException>(() => Decode(encoded, new ImageShape(3, 16, 16)));

    /// <summary>The middle of each quadrant has the colour expected.</summary>
    private static void ShouldBeQuadrants(byte[] encoded, int channels, int tolerance, SKColor[] expected, int width = 16, int height = 8)
    {
        var pixels = Decode(encoded, new ImageShape(channels, height, width));
        for (var quadrant = 0; quadrant < 4; quadrant++)
        {
            var (x, y) = (width / 4 + quadrant % 2 * (width / 2), height / 4 + quadrant / 2 * (height / 2));
            byte[] colour = [expected[quadrant].Red, expected[quadrant].Green, expected[quadrant].Blue];
            for (var channel = 0; channel < channels; channel++)
            {
                var difference = pixels[(channel * height + y) * width + x] - colour[channel];
                Math.Abs(difference).ShouldBeLessThanOrEqualTo(tolerance, $"quadrant {quadrant}, channel {channel}");
            }
        }
    }
}
