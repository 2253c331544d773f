namespace Tessera.Imaging.Shapes;

/// <summary>One drawn picture: a shape with a soft shadow over a textured ground. Everything but the label is drawn at random.</summary>
internal sealed class Scene
{
    private const double LeastContrast = 0.2; // in luma, so that one channel is enough to see the shape

    private readonly int label;
    private readonly Texture ground, surface;
    private readonly double radius, placeX, placeY, shadowX, shadowY, shadowDepth;
    private readonly Direction rotation;

    public Scene(int label, ref CounterRandom random)
    {
        this.label = label;
        var (groundColours, surfaceColours) = DrawColours(ref random);
        ground = Texture.Draw(ref random, groundColours.First, groundColours.Second);
        surface = Texture.Draw(ref random, surfaceColours.First, surfaceColours.Second);
        radius = random.NextDouble(0.2, 0.42);
        (placeX, placeY) = (random.NextDouble(), random.NextDouble());
        rotation = Direction.Draw(ref random);
        (shadowX, shadowY) = (random.NextDouble(-0.05, 0.05), random.NextDouble(0.01, 0.06));
        shadowDepth = random.NextDouble(0.15, 0.4);
    }

    /// <summary>Draws the scene; each resolution samples the same scene.</summary>
    public void Draw(ImageShape shape, Span<byte> planar)
    {
        var side = Math.Min(shape.Height, shape.Width);
        var plane = shape.Height * shape.Width;
        var centreX = Between(placeX, (double)shape.Width / side);
        var centreY = Between(placeY, (double)shape.Height / side);
        for (var row = 0; row < shape.Height; row++)
        {
            for (var column = 0; column < shape.Width; column++)
            {
                var (x, y) = ((column + 0.5) / side, (row + 0.5) / side);
                var colour = At(x - centreX, y - centreY, x - 0.5, y - 0.5, side);
                var (red, green, blue) = (ToByte(colour.Red), ToByte(colour.Green), ToByte(colour.Blue));
                var place = row * shape.Width + column;
                if (shape.Channels == 1)
                    planar[place] = PixelLayout.Luma(red, green, blue);
                else
                    (planar[place], planar[plane + place], planar[2 * plane + place]) = (red, green, blue);
            }
        }
    }

    /// <param name="x">From the shape's centre, in shorter sides.</param>
    /// <param name="y">From the shape's centre, in shorter sides.</param>
    /// <param name="groundX">From the picture's centre.</param>
    /// <param name="groundY">From the picture's centre.</param>
    /// <param name="side">The shorter side in pixels: the edge is one pixel soft.</param>
    private Colour At(double x, double y, double groundX, double groundY, int side)
    {
        var colour = ground.At(groundX, groundY);
        var shade = Math.Clamp(0.5 - Distance(x - shadowX, y - shadowY) / 0.08, 0, 1);
        if (shade > 0)
            colour = colour.Darkened(shadowDepth * shade);
        var cover = Math.Clamp(0.5 - Distance(x, y) * side, 0, 1);
        return cover > 0 ? colour.Towards(surface.At(x, y), cover) : colour;
    }

    private double Distance(double x, double y)
    {
        var reach = 1.3 * radius + 0.08; // beyond the farthest corner and its shadow's blur there is nothing to measure
        if (x * x + y * y > reach * reach)
            return reach;
        var (along, across) = rotation.Turn(x / radius, y / radius);
        return Outline.Distance(label, along, across) * radius;
    }

    /// <summary>The whole shape stays in the picture: its centre keeps a radius away from the edges.</summary>
    private double Between(double share, double length) => radius + share * (length - 2 * radius);

    private static ((Colour First, Colour Second) Ground, (Colour First, Colour Second) Surface) DrawColours(ref CounterRandom random)
    {
        while (true)
        {
            var ground = DrawPair(ref random);
            var surface = DrawPair(ref random);
            // The shadow only ever darkens the ground by two fifths.
            var isLighter = Math.Min(surface.First.Luma, surface.Second.Luma) - Math.Max(ground.First.Luma, ground.Second.Luma) >= LeastContrast;
            var isDarker = Math.Min(ground.First.Luma, ground.Second.Luma) * 0.8 - Math.Max(surface.First.Luma, surface.Second.Luma) >= LeastContrast;
            if (isLighter || isDarker)
                return (ground, surface);
        }
    }

    private static (Colour First, Colour Second) DrawPair(ref CounterRandom random)
    {
        var first = Colour.Draw(ref random);
        return (first, first.Towards(Colour.Draw(ref random), random.NextDouble(0.25, 0.6)));
    }

    private static byte ToByte(double value) => (byte)(Math.Clamp(value, 0, 1) * 255 + 0.5);
}
