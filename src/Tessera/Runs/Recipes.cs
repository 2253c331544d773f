using Tessera.Models;
using Tessera.Objectives;

namespace Tessera.Runs;

/// <summary>The recipes: options that were run together, and what came of them.</summary>
public static class Recipes
{
    /// <summary>What runs when nothing is asked for.</summary>
    public static Recipe Quick { get; } = new(
        "quick",
        "a small model on the built-in shapes, to see it work",
        new PretrainOptions
        {
            Encoder = new() { Model = "vit-micro" },
            Objective = new() { Teaching = Teaching.Pixels }, // in a minute of shapes, views teach nothing and cost the restorations 1.2 dB
            Augmentation = new() { SmallestCrop = 0.9 }, // a minute is too short to be bored by the same pictures
            Training = new()
            {
                Epochs = 4,
                BatchSize = 32,
                LearningRate = 1.2e-2, // many small steps get further in a minute than few large ones
                Clip = 1,
            },
        },
        "about a minute",
        "PSNR 17.0 dB on the hidden patches of held-out shapes, where inverse-distance weighting reaches 16.5 dB");

    /// <summary>All recipes, the shortest first.</summary>
    public static IReadOnlyList<Recipe> All { get; } =
    [
        Quick,
        new(
            "mae",
            "pixels alone, in the order of the MAE paper: for restoring pictures",
            new PretrainOptions
            {
                Objective = new() { Teaching = Teaching.Pixels, Placement = MaskPlacement.Decoder }, // about three times as fast
                Training = new() { Epochs = 4 },
            },
            "8 minutes for 80,000 pictures of Tiny-ImageNet, with bf16 instructions",
            "on Tiny-ImageNet, with 40,000 labels: k-NN 5.3 %, linear 13.7 % (random weights: 3.9 % and 9.2 %); PSNR 14.7 dB on hidden patches"),
        new(
            "views",
            "pixels and views in one pass, in the order of the MAE paper: what teaches most in a given time",
            new PretrainOptions
            {
                Objective = new() { Placement = MaskPlacement.Decoder },
                Training = new() { Epochs = 2 },
            },
            "8 minutes for 90,000 pictures of Tiny-ImageNet, with bf16 instructions",
            "on Tiny-ImageNet, with 40,000 labels: k-NN 12.1 %, linear 21.1 %; PSNR 14.1 dB on hidden patches; more epochs reach more"),
    ];

    /// <summary>The recipe of that name, or null.</summary>
    public static Recipe? Find(string name) => All.FirstOrDefault(r => string.Equals(r.Name, name, StringComparison.OrdinalIgnoreCase));
}

/// <summary>Options to begin with, and what they cost and reach. It does not say which pictures: those are the user's.</summary>
/// <param name="Name">The name on the command line.</param>
/// <param name="Description">What it is for, in a few words.</param>
/// <param name="Options">The options. What hangs on the machine is left to <c>auto</c>.</param>
/// <param name="Time">What it takes on two cores.</param>
/// <param name="Expect">What it reaches, and on which pictures.</param>
public sealed record Recipe(string Name, string Description, PretrainOptions Options, string Time, string Expect);
